//! One line a minute that says what the service did, in place of a line for each delta that found nothing.
//!
//! Nothing is logged for a minute in which nothing happened. After an hour without a line, one line says that the service is
//! alive. The last, shorter minute is logged at the end. The numbers are those of the metrics.

use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::metrics::Activity;
use crate::words::{age, counted, counted_as, seconds};

/// The time of one summary.
const MINUTE: Duration = Duration::from_mins(1);

/// After this time without a line, a line says that the service is alive.
const QUIET: Duration = Duration::from_hours(1);

/// Logs what happened since the last summary.
#[derive(Debug)]
pub(super) struct MinuteSummary {
    known: Activity,
    /// When `known` was read.
    since: Instant,
    /// When the last line was logged.
    last_line: Instant,
}

impl MinuteSummary {
    /// Begins at zero, at the start of the service.
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self {
            known: Activity::default(),
            since: now,
            last_line: now,
        }
    }

    /// Logs the summary of the last minute once the minute is over. `wait` is what all requests wait for now.
    pub(super) fn tick(&mut self, read: impl FnOnce() -> Activity, wait: Option<&str>) {
        if self.since.elapsed() >= MINUTE {
            self.log(read(), wait);
        }
    }

    /// Logs what happened since the last summary, if anything happened.
    pub(super) fn log(&mut self, is: Activity, wait: Option<&str>) {
        let span = self.since.elapsed();
        let (done, quiet) = (is.since(&self.known), self.last_line.elapsed());
        (self.known, self.since) = (is, Instant::now());
        let begin = if !done.is_idle() {
            said(&done, span)
        } else if quiet >= QUIET {
            format!("alive, with nothing to do for {}", age(quiet))
        } else {
            return;
        };
        self.last_line = Instant::now();
        tell(&done, &format!("{begin}{}", now(&done, wait)));
    }
}

/// Returns what was done, without what was not done.
fn said(done: &Activity, span: Duration) -> String {
    let waited = Duration::from_secs(done.rate_wait.as_secs());
    let waited = (!waited.is_zero()).then(|| seconds(waited));
    let parts = [
        some(done.snapshots, "snapshot"),
        some(done.deltas, "delta"),
        some(done.empty_deltas, "empty delta"),
        some(done.rows, "row"),
        some(done.folds, "fold"),
        some(done.requests, "request"),
        waited.map(|waited| format!("{waited} of waiting for the rate limit")),
        some(done.webhooks, "webhook"),
        verb(
            done.busy_webhooks,
            "webhook",
            "webhooks",
            "put off with 503",
        ),
        verb(done.refused_webhooks, "webhook", "webhooks", "refused"),
        verb(done.failed_fetches, "fetch", "fetches", "failed"),
        verb(done.failed_folds, "fold", "folds", "failed"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    format!("in the last {}: {}", age(span), parts.join(", "))
}

/// Returns how things are now.
fn now(done: &Activity, wait: Option<&str>) -> String {
    let late = match done.late_tables {
        0 => None,
        1 => Some("1 table is late".to_owned()),
        tables => Some(format!("{} are late", counted(tables, "table"))),
    };
    let oldest = done.oldest_base;
    let oldest = oldest.map(|base| format!("the oldest base is {} old", age(base)));
    let mut text = String::new();
    for part in [late, oldest, wait.map(str::to_owned)]
        .into_iter()
        .flatten()
    {
        text.push_str("; ");
        text.push_str(&part);
    }
    text
}

fn some(number: u64, what: &str) -> Option<String> {
    (number > 0).then(|| counted(number, what))
}

fn verb(number: u64, one: &str, many: &str, verb: &str) -> Option<String> {
    (number > 0).then(|| format!("{} {verb}", counted_as(number, one, many)))
}

fn tell(done: &Activity, sentence: &str) {
    info!(
        snapshots = done.snapshots,
        deltas = done.deltas,
        empty_deltas = done.empty_deltas,
        rows = done.rows,
        folds = done.folds,
        requests = done.requests,
        rate_wait_secs = done.rate_wait.as_secs(),
        webhooks = done.webhooks,
        busy_webhooks = done.busy_webhooks,
        refused_webhooks = done.refused_webhooks,
        failed_fetches = done.failed_fetches,
        failed_folds = done.failed_folds,
        late_tables = done.late_tables,
        oldest_base_secs = done.oldest_base.map(|base| base.as_secs()),
        "{sentence}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(done: &Activity, wait: Option<&str>) -> String {
        format!("{}{}", said(done, MINUTE), now(done, wait))
    }

    #[test]
    fn a_summary_says_what_was_done_and_how_late_the_tables_are() {
        let done = Activity {
            snapshots: 1,
            deltas: 12,
            empty_deltas: 30,
            rows: 1200,
            requests: 60,
            webhooks: 3,
            refused_webhooks: 2,
            failed_fetches: 1,
            rate_wait: Duration::from_millis(30_700),
            late_tables: 5,
            oldest_base: Some(Duration::from_hours(2)),
            ..Activity::default()
        };
        let said = "in the last 1 min: 1 snapshot, 12 deltas, 30 empty deltas, 1,200 rows, 60 requests, 30 s of waiting for the rate limit, 3 webhooks, 2 webhooks refused, 1 fetch failed; 5 tables are late; the oldest base is 2 h old";
        assert_eq!(sentence(&done, None), said);
        let little = Activity {
            failed_fetches: 2,
            ..Activity::default()
        };
        let said = "in the last 1 min: 2 fetches failed; waiting for Kombo's rate limit until 14:05:30 UTC";
        let wait = "waiting for Kombo's rate limit until 14:05:30 UTC";
        assert_eq!(sentence(&little, Some(wait)), said);
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_is_told_once_an_idle_minute_is_not_and_an_hour_is() {
        let mut summary = MinuteSummary::begin();
        let told = |summary: &mut MinuteSummary, is: Activity| {
            let before = summary.last_line;
            summary.tick(|| is, None);
            summary.last_line != before
        };
        let busy = Activity {
            requests: 7,
            oldest_base: Some(Duration::from_secs(9)),
            ..Activity::default()
        };
        assert!(!told(&mut summary, busy), "the minute is not over");
        tokio::time::advance(MINUTE).await;
        assert!(told(&mut summary, busy));
        for _ in 0..59 {
            tokio::time::advance(MINUTE).await;
            assert!(!told(&mut summary, busy), "nothing was done since");
        }
        tokio::time::advance(MINUTE).await;
        assert!(told(&mut summary, busy), "the service is alive");
    }
}
