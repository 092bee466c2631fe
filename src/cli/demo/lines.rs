//! The lines of the live demo: one per event, and the totals at the end.

use std::fmt;
use std::time::Duration;

use crate::words::{count, counted};

/// One step on the way of a change into the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoryLine {
    /// Time since the start of the story.
    pub(super) at: Duration,
    /// Time since the change that caused the step.
    pub(super) after: Option<Duration>,
    /// The step in one or two words.
    pub(super) what: &'static str,
    /// Table, rows or status.
    pub(super) detail: String,
}

impl fmt::Display for StoryLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after.map(|after| format!("+{}", millis(after)));
        let (at, after) = (self.at.as_secs_f64(), after.unwrap_or_default());
        let Self { what, detail, .. } = self;
        write!(f, "{at:>6.2} s {after:>9}  {what:<11}  {detail}")
    }
}

/// How long the steps of the changes took, and how many requests they cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) changes: u64,
    pub(super) webhooks: u64,
    /// Requests since the first change.
    pub(super) requests: u64,
    /// Requests of a client that fetches one page of every endpoint on each webhook.
    pub(super) everything: u64,
    /// Times from a change to the answer of its webhook.
    pub(super) webhook: Vec<Duration>,
    /// Times from a change to the commit of its row.
    pub(super) committed: Vec<Duration>,
    /// Times from a change to the moment when its row was read back.
    pub(super) visible: Vec<Duration>,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = counted(self.changes, "change");
        let webhooks = counted(self.webhooks, "webhook");
        let visible = count(self.visible.len() as u64);
        writeln!(f, "{changes}, {visible} of them in the lake; {webhooks}.")?;
        if self.webhooks > 0 {
            let requests = counted(self.requests, "request");
            let everything = count(self.everything);
            writeln!(
                f,
                "{requests} to Kombo for them. All endpoints on each webhook: at least {everything}."
            )?;
        }
        if self.visible.is_empty() {
            return Ok(());
        }
        let row = |what: &str, median: &str, longest: &str| {
            format!("{what:<28}{median:>10}{longest:>10}")
        };
        writeln!(f, "\n{}", row("from the change", "median", "longest"))?;
        let rows = [
            ("to the answered webhook", &self.webhook),
            ("to the committed row", &self.committed),
            ("to the row read back", &self.visible),
        ];
        for (what, durations) in rows {
            if let Some((median, longest)) = median_and_longest(durations) {
                writeln!(f, "{}", row(what, &millis(median), &millis(longest)))?;
            }
        }
        Ok(())
    }
}

/// Writes a query below the line about its row. Its lines stand alone, so that they can be copied.
pub(super) fn query_lines(query: &str) -> String {
    format!("  {}", query.replace('\n', "\n  "))
}

/// Writes a duration in milliseconds, with a unit.
fn millis(duration: Duration) -> String {
    let whole = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    format!("{} ms", count(whole))
}

/// Returns the median and the longest duration. Of two durations in the middle the lower one is the median.
fn median_and_longest(durations: &[Duration]) -> Option<(Duration, Duration)> {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let longest = *sorted.last()?;
    Some((sorted[(sorted.len() - 1) / 2], longest))
}
