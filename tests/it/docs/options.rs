//! The options of the configuration file, as the settings structs declare them.
//!
//! The structs own the names, types and sentences. `src/config/kombo.yaml` shows the values, and a test of that room
//! compares those with the defaults in code.

use std::fs;

use clap::{Command, CommandFactory};
use kombo_source::cli::args::Args;
use kombo_source::config::generate;

use crate::source_text::root;

/// A section of the file: its dotted path, the file with its struct, and the struct.
pub(super) const SECTIONS: &[(&str, &str, &str)] = &[
    ("", "src/config/assemble.rs", "DocumentOptions"),
    ("api", "src/listener/settings.rs", "TelemetrySettings"),
    ("sources.kombo", "src/service/settings.rs", "SourceSettings"),
    (
        "sources.kombo.webhook",
        "src/listener/settings.rs",
        "ListenerSettings",
    ),
    (
        "sources.kombo.webhook.tls",
        "src/listener/settings.rs",
        "TlsFiles",
    ),
    ("sources.kombo.schedule", "src/plan/schedule.rs", "Schedule"),
    (
        "sources.kombo.lease",
        "src/service/lease_settings.rs",
        "LeaseSettings",
    ),
    (
        "sources.kombo.request",
        "src/api/settings.rs",
        "ApiSettings",
    ),
    ("sinks.lake", "src/lake/settings.rs", "LakeSettings"),
    (
        "sinks.lake.fold",
        "src/lake/fold/settings.rs",
        "FoldSettings",
    ),
    ("sinks.lake.guard", "src/versions/guard.rs", "GuardSettings"),
    (
        "sinks.lake.upkeep",
        "src/lake/care/upkeep_settings.rs",
        "UpkeepSettings",
    ),
];

/// Options that are no field of a struct: the reader takes them off before.
const BESIDES: &[(&str, &str)] = &[
    (
        "sources.kombo.type",
        "Type of the source: `kombo` is the only one.",
    ),
    (
        "sinks.lake.type",
        "Type of the sink: `delta_lake` is the only one.",
    ),
    (
        "sinks.lake.inputs",
        "Name of the source whose rows this sink takes.",
    ),
];

/// Which flag sets which option. The flag's variable comes from the command line's own declaration.
const FLAGS: &[(&str, &str)] = &[
    ("data_dir", "data-dir"),
    ("sources.kombo.region", "region"),
    ("sources.kombo.endpoint", "api-url"),
    ("sources.kombo.integrations", "integration"),
    ("sources.kombo.integrations_file", "integrations-file"),
    ("sources.kombo.endpoints", "endpoint"),
    ("sources.kombo.request.rate_limit_enabled", "no-rate-limit"),
    ("sources.kombo.request.rate_limit_num", "rate-limit"),
    ("sources.kombo.request.concurrency", "concurrency"),
    ("sinks.lake.url", "lake-url"),
    ("sinks.lake.upkeep.vacuum_grace_secs", "grace"),
    ("sinks.lake.upkeep.delta_retention_secs", "delta-retention"),
    ("sinks.lake.upkeep.drift_retention_secs", "drift-retention"),
];

/// One option.
#[derive(Debug)]
pub(super) struct ConfigOption {
    /// Its dotted path, such as `sinks.lake.url`.
    pub(super) path: String,
    /// Its sentences, as Markdown.
    pub(super) text: String,
    /// The values it takes beyond its type, such as `1 to 250`.
    pub(super) range: Option<String>,
    /// Its Rust type; empty for those that are no field.
    rust: String,
    /// The value that the printed file shows.
    pub(super) shown: Option<String>,
}

impl ConfigOption {
    /// Returns its own name.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// Returns whether it is a map of further options.
    pub(super) fn is_section(&self) -> bool {
        SECTIONS.iter().any(|(path, ..)| *path == self.path)
    }

    /// Returns what a value looks like.
    pub(super) fn kind(&self) -> String {
        let rust = self
            .rust
            .trim_start_matches("Option<")
            .trim_end_matches('>');
        let least = self.range.clone().unwrap_or_else(|| match rust {
            "u64" | "IngestSettings" => "0 or more".to_owned(),
            _ => "1 or more".to_owned(),
        });
        match rust {
            "bool" => "`true` or `false`".to_owned(),
            "PathBuf" => "path".to_owned(),
            "SocketAddr" => "address with port".to_owned(),
            "BaseUrl" => "URL".to_owned(),
            "Region" => "`eu`, `us` or `ca`".to_owned(),
            "PlanMode" => "`changed` or `all`".to_owned(),
            "" if self.name() == "inputs" => "list of one name".to_owned(),
            "" | "String" => "text".to_owned(),
            _ if rust.starts_with("Vec<") => "list of text".to_owned(),
            _ if rust.starts_with("BTreeMap<") => "map of text".to_owned(),
            "f64" => format!("number, {least}"),
            _ if self.name().ends_with("_secs") => format!("seconds, {least}"),
            _ => format!("whole number, {least}"),
        }
    }

    /// Returns the value that holds without the option.
    pub(super) fn default(&self) -> String {
        if ["type", "inputs", "url", "crt_file", "key_file"].contains(&self.name()) {
            return "required".to_owned();
        }
        match &self.shown {
            Some(value) if !self.rust.starts_with("Option<") => {
                let round = round(self.name(), value).map(|round| format!(" ({round})"));
                format!("`{value}`{}", round.unwrap_or_default())
            }
            _ => "off".to_owned(),
        }
    }

    /// Returns the flag and the variable that win over the file, as `--flag`, `VARIABLE`.
    pub(super) fn flag(&self) -> Option<(String, Option<String>)> {
        let (_, flag) = FLAGS.iter().find(|(path, _)| *path == self.path)?;
        let program = Args::command();
        let verbs = program.get_subcommands().flat_map(Command::get_arguments);
        let mut named = verbs.filter(|arg| arg.get_long() == Some(flag));
        let arg = named
            .next()
            .unwrap_or_else(|| panic!("no verb has --{flag}"));
        let variable = arg
            .get_env()
            .map(|name| name.to_string_lossy().into_owned());
        Some((format!("--{flag}"), variable))
    }
}

/// Returns a large value in larger units, such as `7 d` or `64 MiB`; none when it is small or not round.
fn round(name: &str, value: &str) -> Option<String> {
    let value: u64 = value.parse().ok()?;
    let units: &[(u64, &str)] = if name.ends_with("_secs") {
        &[(86_400, "d"), (3_600, "h"), (60, "min")]
    } else if name.ends_with("_bytes") {
        &[(1 << 20, "MiB")]
    } else {
        &[]
    };
    let fits = units
        .iter()
        .find(|(unit, _)| value > *unit && value.is_multiple_of(*unit));
    fits.map(|(unit, name)| format!("{} {name}", value / unit))
}

/// Returns every option of the file, section by section, in the order of the structs.
pub(super) fn all() -> Vec<ConfigOption> {
    let shown = shown();
    let mut options = Vec::new();
    for (section, file, name) in SECTIONS {
        let besides = BESIDES
            .iter()
            .filter(|(path, _)| path.rsplit_once('.').map(|(at, _)| at) == Some(section));
        options.extend(besides.map(|(path, text)| ConfigOption {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
            range: None,
            rust: String::new(),
            shown: None,
        }));
        let text = fs::read_to_string(root().join(file)).expect("readable");
        options.extend(fields(&text, name).into_iter().map(|mut option| {
            if !section.is_empty() {
                option.path = format!("{section}.{}", option.path);
            }
            option
        }));
    }
    for option in &mut options {
        let found = shown.iter().find(|(path, _)| *path == option.path);
        option.shown = found.map(|(_, value)| value.clone());
    }
    options
}

/// Reads the fields of a struct: serde's name, type and doc comment. Fields that serde skips are no options.
fn fields(text: &str, name: &str) -> Vec<ConfigOption> {
    let declared = format!("struct {name} {{");
    let body = text
        .split_once(&declared)
        .unwrap_or_else(|| panic!("no {declared}"))
        .1;
    let body = body.split_once("\n}").expect("a struct ends").0;
    let (mut docs, mut attributes) = (String::new(), String::new());
    let mut options = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push_str(doc.trim());
            docs.push_str(if doc.trim().is_empty() { "\n\n" } else { " " });
        } else if line.starts_with("#[") {
            attributes.push_str(line);
        } else if let Some((field, rust)) = line.trim_end_matches(',').split_once(": ") {
            let field = field.rsplit(' ').next().unwrap_or(field);
            let renamed = attributes.split_once("rename = \"");
            let renamed = renamed.and_then(|(_, rest)| rest.split('"').next());
            if !attributes.contains("serde(skip)") {
                options.push(option(renamed.unwrap_or(field), rust, &docs));
            }
            docs.clear();
            attributes.clear();
        }
    }
    options
}

/// Of a doc comment the first paragraph is for users, and one that begins with `Range:`. The rest is for callers of the
/// library.
fn option(name: &str, rust: &str, docs: &str) -> ConfigOption {
    let mut paragraphs = docs.split("\n\n").map(str::trim);
    let text = paragraphs.next().unwrap_or_default().to_owned();
    let range = paragraphs.find_map(|one| one.strip_prefix("Range: "));
    let range = range.map(|range| range.trim_end_matches('.').to_owned());
    ConfigOption {
        path: name.to_owned(),
        text,
        range,
        rust: rust.to_owned(),
        shown: None,
    }
}

/// A line of the printed file.
pub(super) struct YamlLine {
    /// What stands before the name: spaces, and `# ` for an option that is off.
    pub(super) prefix: String,
    /// The option's dotted path; none for comments and empty lines.
    pub(super) path: Option<String>,
    /// The line itself.
    pub(super) text: String,
}

/// Reads the printed file line by line.
pub(super) fn yaml() -> Vec<YamlLine> {
    let mut open: Vec<(usize, String)> = Vec::new();
    let lines = generate().lines().map(|line| {
        let code = line.trim_start_matches([' ', '#']);
        let prefix = &line[..line.len() - code.len()];
        let name = code.split_once(':').map(|(name, _)| name);
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let name = name.filter(|name| is_name(name) && prefix.matches('#').count() < 2);
        let path = name.map(|name| {
            let depth = prefix.replacen("# ", "", 1).len();
            open.retain(|(other, _)| *other < depth);
            open.push((depth, name.to_owned()));
            let names: Vec<&str> = open.iter().map(|(_, name)| name.as_str()).collect();
            names.join(".")
        });
        YamlLine {
            prefix: prefix.to_owned(),
            path,
            text: line.to_owned(),
        }
    });
    lines.collect()
}

/// Returns the values of the printed file, by path.
fn shown() -> Vec<(String, String)> {
    let lines = yaml().into_iter();
    let values = lines.filter_map(|line| {
        let (_, value) = line.text.split_once(": ")?;
        let value = value.split("  #").next().unwrap_or(value).trim();
        Some((line.path?, value.trim_matches('"').to_owned()))
    });
    values.collect()
}
