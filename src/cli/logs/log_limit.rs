//! At most so many lines from one place in the code within a while.
//!
//! A thousand tables that fail for the same reason are one piece of news. What is left out is counted, and whoever runs
//! for long tells the counts now and then: a filter must not log itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// Lines from one place within [`WINDOW`].
const LINES: u32 = 20;

/// How long that is: Vector's default.
const WINDOW: Duration = Duration::from_secs(10);

/// Lets through so many lines of each place. Clones count together.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct LogLimit(Arc<Mutex<HashMap<Identifier, LogPlace>>>);

/// One place in the code.
#[derive(Debug)]
struct LogPlace {
    /// Its file and line.
    name: String,
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl LogLimit {
    /// Returns the places of which lines were left out since the last time, and how many.
    pub(in crate::cli) fn take_left_out(&self) -> Vec<(String, u64)> {
        let mut places = self.places();
        let left_out = places.values_mut().filter(|place| place.left_out > 0);
        left_out
            .map(|place| (place.name.clone(), std::mem::take(&mut place.left_out)))
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
                left_out: 0,
            });
        if now.duration_since(place.since) >= WINDOW {
            (place.since, place.lines) = (now, 0);
        }
        let passes = place.lines < LINES;
        if passes {
            place.lines += 1;
        } else {
            place.left_out += 1;
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
        // Each line has to be asked about.
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
    async fn what_one_place_says_too_often_is_left_out_and_counted() {
        let limit = LogLimit::default();
        let passes = || limit.passes(CALLSITE.metadata(), Instant::now());
        let written = (0..LINES + 7).filter(|_| passes()).count();
        assert_eq!(written, LINES as usize);
        assert_eq!(limit.take_left_out()[0].1, 7);
        assert!(limit.take_left_out().is_empty(), "told once");
        tokio::time::advance(WINDOW).await;
        assert!(passes());
    }
}
