//! What is left to say when a backfill is over: a table of what landed, what failed and what to do, or JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::aside::aside;
use super::folding::Folded;
use super::missing;
use crate::backfill::outcome::{Commit, Ending, Outcome, OutcomeSummary};
use crate::backfill::targets::Unknown;
use crate::lake::{Hold, Release, SetAside};
use crate::time::format_timestamp;
use crate::words::{bytes, count, counted, seconds, with_causes};

/// Everything one backfill did.
pub(super) struct Report {
    /// What became of each table.
    pub(super) outcomes: Vec<Outcome>,
    /// Integrations that could not be fetched at all.
    pub(super) unknown: Vec<Unknown>,
    /// Wall time.
    pub(super) elapsed: Duration,
    /// Requests sent, retries included.
    pub(super) requests: u64,
    /// Answers with status 429.
    pub(super) rate_limited: u64,
    /// Time requests waited for the rate limit, all added up.
    pub(super) waited: Duration,
    /// Tables of the lake itself that could not be read or written.
    pub(super) aside: Vec<SetAside<String>>,
    /// What was folded into `current` afterwards.
    pub(super) folded: Folded,
}

impl Report {
    /// Returns whether everything asked for was done.
    pub(super) fn is_success(&self) -> bool {
        self.unknown.is_empty()
            && self.aside.is_empty()
            && self.folded.is_success()
            && self
                .outcomes
                .iter()
                .all(|outcome| outcome.ending.is_success())
    }

    /// Writes the report for people.
    pub(super) fn text(&self) -> String {
        let mut text = landed(&self.outcomes);
        for said in self.outcomes.iter().filter_map(missing::said) {
            line(&mut text, &said);
        }
        for outcome in &self.outcomes {
            if let Ending::LeftOut { reason, advice } = &outcome.ending {
                line(
                    &mut text,
                    &format!("left out  {}: {reason}\n          {advice}", outcome.table),
                );
            }
        }
        for unknown in &self.unknown {
            let reason = with_causes(&unknown.reason);
            line(
                &mut text,
                &format!(
                    "failed    {}: {reason}\n          {}",
                    unknown.id,
                    unknown.reason.advice()
                ),
            );
        }
        for outcome in &self.outcomes {
            if let Ending::Failed(failure) = &outcome.ending {
                line(
                    &mut text,
                    &format!(
                        "failed    {}: {failure}\n          {}",
                        outcome.table, failure.advice
                    ),
                );
            }
        }
        for outcome in &self.outcomes {
            if let Ending::NotTried { reason } = &outcome.ending {
                line(&mut text, &format!("not tried {}: {reason}", outcome.table));
            }
        }
        text.push_str(&aside(&self.aside));
        text.push_str(&self.folded.troubles());
        line(&mut text, &self.total());
        if let Some(folded) = self.folded.total() {
            line(&mut text, &folded);
        }
        text
    }

    /// Writes the report for programs: one JSON document.
    pub(super) fn json(&self) -> String {
        let summary = Summary {
            success: self.is_success(),
            elapsed_ms: u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            requests: self.requests,
            rate_limited: self.rate_limited,
            waited_ms: u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX),
            rows: self.rows(),
            released: self.folded.released().map(ReleasedTable::new).collect(),
            held: self.folded.held().map(HeldTable::new).collect(),
            integrations_failed: self.unknown.iter().map(FailedIntegration::new).collect(),
            tables: self.outcomes.iter().map(Outcome::summary).collect(),
            tables_failed: self.aside.iter().map(FailedTable::new).collect(),
        };
        serde_json::to_string_pretty(&summary).expect("a summary holds only strings and numbers")
    }

    fn rows(&self) -> u64 {
        committed(&self.outcomes)
            .map(|(outcome, _)| outcome.rows)
            .sum()
    }

    /// Writes the last line of it: rows, tables, time, requests.
    pub(super) fn total(&self) -> String {
        let done = || {
            self.outcomes
                .iter()
                .filter_map(|outcome| outcome.done.as_ref())
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
            parts.push(format!("{waited} of waiting for the rate limit"));
        }
        let is_skipped = |outcome: &&Outcome| matches!(outcome.ending, Ending::Skipped);
        let skipped = self.outcomes.iter().filter(is_skipped).count() as u64;
        if skipped > 0 {
            let skipped = counted(skipped, "table");
            parts.push(format!("{skipped} skipped, fetched not long ago"));
        }
        let is_unchanged = |outcome: &&Outcome| matches!(outcome.ending, Ending::Unchanged);
        let unchanged = self.outcomes.iter().filter(is_unchanged).count() as u64;
        if unchanged > 0 {
            parts.push(format!("{} without a change", counted(unchanged, "table")));
        }
        let rest: u64 = done().map(|done| done.rest_values).sum();
        if rest > 0 {
            parts.push(format!(
                "{} without a column, in _rest",
                counted(rest, "value")
            ));
        }
        let quarantined: u64 = done().map(|done| done.counts.quarantined).sum();
        if quarantined > 0 {
            let rows = counted(quarantined, "row");
            parts.push(format!("{rows} without an id, in kombo_quarantine"));
        }
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

/// A table of the lake itself.
#[derive(Serialize)]
struct FailedTable<'a> {
    table: &'a str,
    error: String,
    advice: &'static str,
}

impl<'a> FailedTable<'a> {
    fn new(aside: &'a SetAside<String>) -> Self {
        Self {
            table: &aside.member,
            error: with_causes(&aside.error),
            advice: aside.error.advice(),
        }
    }
}

#[derive(Serialize)]
struct ReleasedTable<'a> {
    table: &'a str,
    integration: &'a str,
    state: &'static str,
    rows: u64,
    in_part: bool,
}

impl<'a> ReleasedTable<'a> {
    fn new((table, release): (&'a str, &'a Release)) -> Self {
        Self {
            table,
            integration: release.integration.as_str(),
            state: release.state.as_str(),
            rows: release.rows,
            in_part: release.in_part,
        }
    }
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

impl<'a> HeldTable<'a> {
    fn new((table, hold): (&'a str, &'a Hold)) -> Self {
        Self {
            table,
            integration: hold.integration.as_str(),
            cause: hold.cause.as_str(),
            detail: &hold.detail,
            since: format_timestamp(hold.since_us),
            confirmable: hold.confirmable_us.map(format_timestamp),
        }
    }
}

#[derive(Serialize)]
struct FailedIntegration<'a> {
    integration: &'a str,
    error: String,
    advice: &'static str,
}

impl<'a> FailedIntegration<'a> {
    fn new(unknown: &'a Unknown) -> Self {
        Self {
            integration: unknown.id.as_str(),
            error: with_causes(&unknown.reason),
            advice: unknown.reason.advice(),
        }
    }
}

#[derive(Default)]
struct Landed {
    integrations: u64,
    rows: u64,
    files: u64,
    bytes: u64,
}

/// One line per endpoint: integrations, rows, files, bytes.
fn landed(outcomes: &[Outcome]) -> String {
    let mut endpoints: BTreeMap<String, Landed> = BTreeMap::new();
    for (outcome, commit) in committed(outcomes) {
        let landed = endpoints
            .entry(outcome.table.endpoint.table_name())
            .or_default();
        landed.integrations += 1;
        landed.rows += outcome.rows;
        landed.files += commit.files;
        landed.bytes += commit.bytes;
    }
    if endpoints.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    line(
        &mut text,
        &format!(
            "{:<36}{:>12}{:>12}{:>8}{:>11}",
            "table", "integrations", "rows", "files", "bytes"
        ),
    );
    for (name, landed) in endpoints {
        let (integrations, rows, files) = (
            count(landed.integrations),
            count(landed.rows),
            count(landed.files),
        );
        line(
            &mut text,
            &format!(
                "{name:<36}{integrations:>12}{rows:>12}{files:>8}{:>11}",
                bytes(landed.bytes)
            ),
        );
    }
    text
}

fn committed(outcomes: &[Outcome]) -> impl Iterator<Item = (&Outcome, &Commit)> {
    outcomes.iter().filter_map(|outcome| match &outcome.ending {
        Ending::Committed(commit) => Some((outcome, commit)),
        _ => None,
    })
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
