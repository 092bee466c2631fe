//! One line per event, and the numbers at the end.

use std::fmt;
use std::time::Duration;

use crate::words::{count, counted};

/// Something that happened on a change's way into the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoryLine {
    /// Since the first change could come.
    pub(super) at: Duration,
    /// Since the change that caused it.
    pub(super) after: Option<Duration>,
    /// What happened, in a word or two.
    pub(super) what: &'static str,
    /// To whom, and how much.
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

/// How long the steps of the changes took, and what they cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) changes: u64,
    pub(super) webhooks: u64,
    /// Sent since the first change.
    pub(super) requests: u64,
    /// What a client sends that fetches every endpoint on each webhook, a page each.
    pub(super) everything: u64,
    /// From the change to the webhook's answer.
    pub(super) webhook: Vec<Duration>,
    /// From the change to its committed row.
    pub(super) committed: Vec<Duration>,
    /// From the change to its row read back.
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

/// The lower of the two in the middle where they are even.
fn median_and_longest(durations: &[Duration]) -> Option<(Duration, Duration)> {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let longest = *sorted.last()?;
    Some((sorted[(sorted.len() - 1) / 2], longest))
}
