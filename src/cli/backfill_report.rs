//! The report at the end of a backfill: a table of what was committed, then failures with advice; or one JSON document.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::failed::{WIDE, aside, failed, text};
use super::fold_run::FoldRun;
use super::missing;
use super::terminal::Terminal;
use super::text_table::{Column, TextTable};
use crate::backfill::outcome::{Commit, OutcomeSummary, TableEnding, TableOutcome};
use crate::backfill::targets::UnknownIntegration;
use crate::lake::SetAside;
use crate::time::format_timestamp;
use crate::words::{bytes, count, counted, seconds, with_causes};

/// The result of a backfill.
pub(super) struct BackfillReport {
    /// The outcome of each table.
    pub(super) outcomes: Vec<TableOutcome>,
    /// Integrations that could not be fetched at all.
    pub(super) unknown: Vec<UnknownIntegration>,
    /// Wall time of the fetches, without the fold.
    pub(super) elapsed: Duration,
    /// Requests sent, retries included.
    pub(super) requests: u64,
    /// Answers with status 429.
    pub(super) rate_limited: u64,
    /// How long requests waited for the rate limit, summed over all requests. Requests wait side by side, so that the sum
    /// can be longer than the backfill took.
    pub(super) waited: Duration,
    /// Tables of the lake itself that could not be read or written.
    pub(super) aside: Vec<SetAside<String>>,
    /// The fold into `current` at the end.
    pub(super) folded: FoldRun,
}

impl BackfillReport {
    /// Returns whether everything asked for was done.
    pub(super) fn is_success(&self) -> bool {
        self.unknown.is_empty()
            && self.aside.is_empty()
            && self.folded.is_success()
            && self.outcomes.iter().all(|one| one.ending.is_success())
    }

    /// Returns the report as text, with a table as wide as standard output has room for.
    pub(super) fn text(&self) -> String {
        let mut lines = landed(&self.outcomes, &Terminal::stdout());
        lines.extend(self.outcomes.iter().filter_map(missing::said));
        let ended =
            |said: fn(&TableOutcome) -> Option<String>| self.outcomes.iter().filter_map(said);
        lines.extend(ended(|one| {
            let TableEnding::LeftOut { reason, advice } = &one.ending else {
                return None;
            };
            Some(format!(
                "left out  {}: {reason}\n          {advice}",
                one.table
            ))
        }));
        let unknown = self.unknown.iter();
        lines.extend(unknown.map(|one| failed(WIDE, &one.id, &one.reason, one.reason.advice())));
        lines.extend(ended(|one| {
            let TableEnding::Failed(failure) = &one.ending else {
                return None;
            };
            Some(format!(
                "failed    {}: {failure}\n          {}",
                one.table, failure.advice
            ))
        }));
        lines.extend(ended(|one| {
            let TableEnding::NotTried { reason } = &one.ending else {
                return None;
            };
            Some(format!("not tried {}: {reason}", one.table))
        }));
        lines.extend(aside(WIDE, &self.aside));
        lines.extend(self.folded.troubles());
        lines.push(self.total());
        lines.extend(self.folded.total());
        text(&lines)
    }

    /// Returns the report as one JSON document.
    pub(super) fn json(&self) -> String {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let released = self
            .folded
            .released()
            .map(|(table, release)| ReleasedTable {
                table,
                integration: release.integration.as_str(),
                state: release.state.as_str(),
                rows: release.rows,
                in_part: release.in_part,
            });
        let held = self.folded.held().map(|(table, hold)| HeldTable {
            table,
            integration: hold.integration.as_str(),
            cause: hold.cause.as_str(),
            detail: &hold.detail,
            since: format_timestamp(hold.since_us),
            confirmable: hold.confirmable_us.map(format_timestamp),
        });
        let unknown = self.unknown.iter().map(|one| FailedIntegration {
            integration: one.id.as_str(),
            error: with_causes(&one.reason),
            advice: one.reason.advice(),
        });
        let aside = self.aside.iter().map(|one| FailedTable {
            table: &one.member,
            error: with_causes(&one.error),
            advice: one.error.advice(),
        });
        let summary = Summary {
            success: self.is_success(),
            elapsed_ms: millis(self.elapsed),
            requests: self.requests,
            rate_limited: self.rate_limited,
            waited_ms: millis(self.waited),
            rows: self.rows(),
            released: released.collect(),
            held: held.collect(),
            integrations_failed: unknown.collect(),
            tables: self.outcomes.iter().map(TableOutcome::summary).collect(),
            tables_failed: aside.collect(),
        };
        serde_json::to_string_pretty(&summary).expect("a summary holds only strings and numbers")
    }

    fn rows(&self) -> u64 {
        let committed = committed(&self.outcomes);
        committed.map(|(outcome, _)| outcome.rows).sum()
    }

    /// Returns the last line about the fetches: rows, tables, time, requests.
    pub(super) fn total(&self) -> String {
        let done = || self.outcomes.iter().filter_map(|one| one.done.as_ref());
        let ended = |ending: fn(&TableEnding) -> bool| {
            self.outcomes
                .iter()
                .filter(|one| ending(&one.ending))
                .count() as u64
        };
        let tables = counted(committed(&self.outcomes).count() as u64, "table");
        let rows = counted(self.rows(), "row");
        let mut parts = vec![
            format!("{rows} in {tables}"),
            seconds(self.elapsed),
            counted(self.requests, "request"),
        ];
        if self.waited >= Duration::from_secs(1) {
            let waited = seconds(self.waited);
            parts.push(format!(
                "rate limit: {waited} of waiting, summed over parallel requests"
            ));
        }
        let mut some = |number: u64, what: &str, text: &str| {
            parts.extend((number > 0).then(|| format!("{} {text}", counted(number, what))));
        };
        let skipped = ended(|ending| matches!(ending, TableEnding::Skipped));
        some(skipped, "table", "skipped by --skip-newer-than");
        let unchanged = ended(|ending| matches!(ending, TableEnding::Unchanged));
        some(unchanged, "table", "unchanged");
        let rest = done().map(|done| done.rest_values).sum();
        some(rest, "value", "without a column, in _rest");
        let quarantined = done().map(|done| done.counts.quarantined).sum();
        some(quarantined, "row", "without an id, in kombo_quarantine");
        parts.join(", ")
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    success: bool,
    elapsed_ms: u64,
    requests: u64,
    rate_limited: u64,
    waited_ms: u64,
    rows: u64,
    released: Vec<ReleasedTable<'a>>,
    held: Vec<HeldTable<'a>>,
    integrations_failed: Vec<FailedIntegration<'a>>,
    tables: Vec<OutcomeSummary<'a>>,
    tables_failed: Vec<FailedTable<'a>>,
}

/// A table of the lake itself that could not be read or written.
#[derive(Serialize)]
struct FailedTable<'a> {
    table: &'a str,
    error: String,
    advice: &'static str,
}

#[derive(Serialize)]
struct ReleasedTable<'a> {
    table: &'a str,
    integration: &'a str,
    state: &'static str,
    rows: u64,
    in_part: bool,
}

#[derive(Serialize)]
struct HeldTable<'a> {
    table: &'a str,
    integration: &'a str,
    cause: &'static str,
    detail: &'a str,
    since: String,
    confirmable: Option<String>,
}

#[derive(Serialize)]
struct FailedIntegration<'a> {
    integration: &'a str,
    error: String,
    advice: &'static str,
}

#[derive(Default)]
struct Landed {
    integrations: u64,
    rows: u64,
    files: u64,
    bytes: u64,
}

const COLUMNS: [Column; 5] = [
    Column::text("table", 36),
    Column::number("integrations", 12).spare(2),
    Column::number("rows", 12),
    Column::number("files", 8).spare(1),
    Column::number("bytes", 11).spare(3),
];

/// Returns a table with a row per endpoint; nothing when nothing was committed.
fn landed(outcomes: &[TableOutcome], terminal: &Terminal) -> Vec<String> {
    let mut endpoints: BTreeMap<String, Landed> = BTreeMap::new();
    for (outcome, commit) in committed(outcomes) {
        let name = outcome.table.endpoint.table_name();
        let landed = endpoints.entry(name).or_default();
        landed.integrations += 1;
        landed.rows += outcome.rows;
        landed.files += commit.files;
        landed.bytes += commit.bytes;
    }
    let mut table = TextTable::new(&COLUMNS);
    for (name, landed) in &endpoints {
        let [integrations, rows, files] =
            [landed.integrations, landed.rows, landed.files].map(count);
        table.add([name.clone(), integrations, rows, files, bytes(landed.bytes)]);
    }
    if endpoints.is_empty() {
        return Vec::new();
    }
    table.lines(terminal)
}

fn committed(outcomes: &[TableOutcome]) -> impl Iterator<Item = (&TableOutcome, &Commit)> {
    outcomes.iter().filter_map(|outcome| match &outcome.ending {
        TableEnding::Committed(commit) => Some((outcome, commit)),
        _ => None,
    })
}
