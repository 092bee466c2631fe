//! The table in `docs/metrics.md` is written from the registry, and its alerts name metrics that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use kombo_source::build_info::BUILD_INFO;
use kombo_source::fetch::Counts;
use kombo_source::metrics::{
    ClientTotals, ErrorStage, ErrorType, FetchResult, Metrics, ProcessFiles, ProcessUse,
    WebhookOutcome,
};
use kombo_source::plan::Kind;

use super::page::Page;
use super::{assert_none, renewed};
use crate::source_text::root;

const PAGE: &str = "docs/metrics.md";
/// What stands above the line is written by hand.
const LINE: &str =
    "<!-- From here on written by `KOMBO_RENEW_DOCS=1 cargo test --test it docs`. -->\n";
/// Labels that every metric of a component has. The page explains them once.
const OF_COMPONENTS: [&str; 4] = ["component_id", "component_kind", "component_type", "le"];

/// Names that begin like our metrics: tables and objects of the lake, the crate, and a kind of trouble.
const BESIDES: [&str; 12] = [
    "kombo_coverage",
    "kombo_drift",
    "kombo_holds",
    "kombo_issues",
    "kombo_lake",
    "kombo_layout",
    "kombo_lease",
    "kombo_repair",
    "kombo_quarantine",
    "kombo_source",
    "kombo_status",
    "kombo_unreachable",
];

/// What a scrape says of one metric.
#[derive(Default)]
struct Described {
    help: String,
    kind: String,
    labels: BTreeSet<String>,
}

#[test]
fn docs_metrics_are_what_the_registry_says() {
    let mut text = "\n| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for (name, Described { help, kind, labels }) in described() {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        writeln!(text, "| `{name}` | {kind} | {labels} | {help} |")
            .expect("a String takes every text");
    }
    renewed(PAGE, LINE, &text);
}

#[test]
fn docs_name_only_metrics_that_exist() {
    let known = described();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut wrong = Vec::new();
    for page in Page::all() {
        for (at, line) in page.text.lines().enumerate() {
            for word in line.split(|c| !is_part(c)) {
                let name = word.strip_suffix("_bucket").unwrap_or(word);
                let is_ours =
                    name.len() > 6 && name.starts_with("kombo_") && !BESIDES.contains(&name);
                if is_ours && !known.contains_key(name) {
                    wrong.push(format!("{}:{}: {word}", page.path, at + 1));
                }
            }
        }
    }
    assert_none("metrics that the registry does not have", &wrong);
}

#[test]
fn docs_log_fields_stand_in_the_source() {
    let text = fs::read_to_string(root().join(PAGE)).expect("readable");
    let (_, rest) = text
        .split_once("## Log lines")
        .expect("the page has the section");
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let sources = crate::source_text::sources("src");
    let fields = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let fields: Vec<&str> = fields
        .filter_map(|line| line.split('`').next())
        .filter(|field| field.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    let lacking = |field: &&&str| {
        let forms = [
            format!("{field} ="),
            format!("{field},"),
            format!("%{field}"),
            format!("\"{field}\""),
        ];
        let says = |text: &str| forms.iter().any(|form| text.contains(form));
        !sources.iter().any(|source| says(&source.text))
    };
    let lacking: Vec<_> = fields.iter().filter(lacking).collect();
    assert!(
        fields.len() > 8 && lacking.is_empty(),
        "{PAGE}: {lacking:?}"
    );
}

/// Reads a scrape in which every series exists.
fn described() -> BTreeMap<String, Described> {
    let text = scrape();
    let mut found: BTreeMap<String, Described> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
        {
            found
                .entry(name.to_owned())
                .or_default()
                .help
                .push_str(help);
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            found
                .entry(name.to_owned())
                .or_default()
                .kind
                .push_str(kind);
        } else if let Some((name, rest)) = line.split_once('{') {
            let ends = ["_bucket", "_sum", "_count"];
            let name = ends
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .filter(|name| found.contains_key(*name))
                .unwrap_or(name);
            let labels = rest
                .split("\",")
                .filter_map(|pair| pair.split("=\"").next());
            let labels = labels.map(|label| label.trim_start_matches(',').to_owned());
            let own = labels.filter(|label| {
                !OF_COMPONENTS.contains(&label.as_str()) && !label.starts_with('}')
            });
            if let Some(one) = found.get_mut(name) {
                one.labels.extend(own);
            }
        }
    }
    found
}

/// Makes each series once: those whose labels come from events do not exist before the event.
fn scrape() -> String {
    let metrics = Metrics::new("kombo", "lake", &BUILD_INFO);
    metrics.freshness([("ats/jobs", Duration::ZERO)]);
    metrics.completeness([("ats/jobs", 1.0)]);
    metrics.integrations([("active", 1)]);
    metrics.integration_changed("deleting", "fetch");
    metrics.notification("data-changed", WebhookOutcome::Accepted);
    metrics.error(ErrorType::WriterFailed, ErrorStage::Sending);
    metrics.stored("file", 1);
    metrics.client(&ClientTotals::default());
    metrics.response_sent(200, Duration::ZERO);
    let rows = Counts {
        committed: 1,
        received: 1,
        ..Counts::default()
    };
    metrics.fetched("ats_jobs", Kind::Delta, FetchResult::Committed, &rows);
    metrics.process(every_use());
    metrics.encode()
}

/// Returns values for each metric of a process, on every system.
fn every_use() -> ProcessUse {
    ProcessUse::parse(&ProcessFiles {
        stat: format!("1 (x) S{}", " 1".repeat(30)),
        status: "VmSize: 1 kB\nVmRSS: 1 kB\n".to_owned(),
        limits: "Max open files 1 1 files\n".to_owned(),
        machine: "btime 1\n".to_owned(),
        open_files: Some(1),
    })
}

#[test]
fn every_metric_of_ours_has_one_prefix() {
    let known = described();
    let (ours, others): (Vec<&String>, Vec<&String>) =
        known.keys().partition(|name| name.starts_with("kombo_"));
    assert!(ours.len() > 40, "{ours:?}");
    // The names that Prometheus's client libraries give to every process.
    let of_processes = [
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
    ];
    assert_eq!(others, of_processes);
}
