//! Limits log lines: at most 20 lines from one place in the code within 10 seconds.
//!
//! A thousand tables that fail for the same reason need no thousand lines. Suppressed lines are counted, and the service logs
//! the counts every minute: a filter must not log itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// The most lines from one place within [`WINDOW`].
const LINES: u32 = 20;

/// The length of a window. Vector has the same default.
const WINDOW: Duration = Duration::from_secs(10);

/// Suppresses lines of a place that logs too often. Clones share their counters.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct LogLimit(Arc<Mutex<HashMap<Identifier, LogPlace>>>);

/// One place in the code.
#[derive(Debug)]
struct LogPlace {
    /// File and line of the place.
    name: String,
    since: Instant,
    lines: u32,
    suppressed: u64,
}

impl LogLimit {
    /// Returns each place with suppressed lines, and their number since the last call.
    pub(in crate::cli) fn take_suppressed(&self) -> Vec<(String, u64)> {
        let mut places = self.places();
        let suppressed = places.values_mut().filter(|place| place.suppressed > 0);
        suppressed
            .map(|place| (place.name.clone(), std::mem::take(&mut place.suppressed)))
            .collect()
    }

    /// Returns whether a line is written.
    fn passes(&self, metadata: &Metadata<'_>, now: Instant) -> bool {
        let mut places = self.places();
        let place = places
            .entry(metadata.callsite())
            .or_insert_with(|| LogPlace {
                name: format!(
                    "{}:{}",
                    metadata.file().unwrap_or_default(),
                    metadata.line().unwrap_or_default()
                ),
                since: now,
                lines: 0,
                suppressed: 0,
            });
        if now.duration_since(place.since) >= WINDOW {
            (place.since, place.lines) = (now, 0);
        }
        let passes = place.lines < LINES;
        if passes {
            place.lines += 1;
        } else {
            place.suppressed += 1;
        }
        passes
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Identifier, LogPlace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Filter<S> for LogLimit {
    fn enabled(&self, _metadata: &Metadata<'_>, _context: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _metadata: &'static Metadata<'static>) -> Interest {
        // Tracing has to ask for each line, and must not remember an answer.
        Interest::sometimes()
    }

    fn event_enabled(&self, event: &Event<'_>, _context: &Context<'_, S>) -> bool {
        self.passes(event.metadata(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Callsite as _;
    use tracing::callsite::DefaultCallsite;
    use tracing::metadata::Kind;

    static CALLSITE: DefaultCallsite = DefaultCallsite::new(&META);
    static META: Metadata<'static> = tracing::metadata! {
        name: "x", target: "x", level: tracing::Level::INFO, fields: &[], callsite: &CALLSITE, kind: Kind::EVENT
    };

    #[tokio::test(start_paused = true)]
    async fn lines_that_one_place_logs_too_often_are_suppressed_and_counted() {
        let limit = LogLimit::default();
        let passes = || limit.passes(CALLSITE.metadata(), Instant::now());
        let written = (0..LINES + 7).filter(|_| passes()).count();
        assert_eq!(written, LINES as usize);
        assert_eq!(limit.take_suppressed()[0].1, 7);
        assert!(limit.take_suppressed().is_empty(), "told once");
        tokio::time::advance(WINDOW).await;
        assert!(passes());
    }
}
