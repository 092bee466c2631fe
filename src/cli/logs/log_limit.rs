//! Limits log lines: at most 20 lines from one place in the code within 10 seconds.
//!
//! A thousand tables that fail for the same reason need no thousand lines. Suppressed lines are counted, and the service logs
//! the counts every minute and at its end, because a filter must not log itself. Such a line has the level of the lines that it
//! stands for: a filter on warnings must not take suppressed information for a warning, and must not lose a suppressed error.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, debug, error, info, trace, warn};
use tracing_subscriber::layer::{Context, Filter};

use crate::words::counted_as;

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
    level: Level,
    since: Instant,
    lines: u32,
    suppressed: u64,
    /// The message of the first suppressed line.
    example: String,
}

/// Lines of one place that were not written.
#[derive(Debug, PartialEq, Eq)]
struct Suppressed {
    place: String,
    level: Level,
    lines: u64,
    example: String,
}

impl LogLimit {
    /// Logs how many lines of each place were suppressed since the last call, at the level of the place.
    pub(in crate::cli) fn tell_suppressed(&self) {
        for Suppressed {
            place,
            level,
            lines: suppressed,
            example,
        } in self.take_suppressed()
        {
            let lines = counted_as(suppressed, "line was", "lines were");
            // The macros need a level that is known when the program is compiled.
            macro_rules! tell {
                ($log:ident) => {
                    $log!(
                        place,
                        suppressed,
                        "{lines} suppressed, because lines like this came too often: {example}"
                    )
                };
            }
            match level {
                Level::ERROR => tell!(error),
                Level::WARN => tell!(warn),
                Level::INFO => tell!(info),
                Level::DEBUG => tell!(debug),
                Level::TRACE => tell!(trace),
            }
        }
    }

    /// Returns each place with suppressed lines, and their number since the last call.
    fn take_suppressed(&self) -> Vec<Suppressed> {
        let mut places = self.places();
        let suppressed = places.values_mut().filter(|place| place.suppressed > 0);
        let suppressed = suppressed.map(|place| Suppressed {
            place: place.name.clone(),
            level: place.level,
            lines: std::mem::take(&mut place.suppressed),
            example: std::mem::take(&mut place.example),
        });
        suppressed.collect()
    }

    /// Returns whether a line is written. `message` gives the message of the line.
    fn passes(
        &self,
        metadata: &Metadata<'_>,
        now: Instant,
        message: impl FnOnce() -> String,
    ) -> bool {
        let mut places = self.places();
        let place = places
            .entry(metadata.callsite())
            .or_insert_with(|| LogPlace {
                name: format!(
                    "{}:{}",
                    metadata.file().unwrap_or_default(),
                    metadata.line().unwrap_or_default()
                ),
                level: *metadata.level(),
                since: now,
                lines: 0,
                suppressed: 0,
                example: String::new(),
            });
        if now.duration_since(place.since) >= WINDOW {
            (place.since, place.lines) = (now, 0);
        }
        let passes = place.lines < LINES;
        if passes {
            place.lines += 1;
        } else {
            if place.suppressed == 0 {
                place.example = message();
            }
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
        self.passes(event.metadata(), Instant::now(), || {
            let mut message = Message::default();
            event.record(&mut message);
            message.0
        })
    }
}

/// The message of an event, without its fields.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tracing::Callsite as _;
    use tracing::callsite::DefaultCallsite;
    use tracing::metadata::Kind;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::prelude::*;

    static CALLSITE: DefaultCallsite = DefaultCallsite::new(&META);
    static META: Metadata<'static> = tracing::metadata! {
        name: "x", target: "x", level: tracing::Level::INFO, fields: &[], callsite: &CALLSITE, kind: Kind::EVENT
    };

    #[tokio::test(start_paused = true)]
    async fn lines_that_one_place_logs_too_often_are_suppressed_and_counted() {
        let limit = LogLimit::default();
        let passes = || limit.passes(CALLSITE.metadata(), Instant::now(), || "x".to_owned());
        let written = (0..LINES + 7).filter(|_| passes()).count();
        assert_eq!(written, LINES as usize);
        assert_eq!(limit.take_suppressed()[0].lines, 7);
        assert!(limit.take_suppressed().is_empty(), "told once");
        tokio::time::advance(WINDOW).await;
        assert!(passes());
    }

    /// Collects what a subscriber writes.
    #[derive(Clone, Debug, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics here").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn suppressed_lines_keep_their_level_and_show_one_of_them() {
        let (limit, lines) = (LogLimit::default(), Lines::default());
        let layer = tracing_subscriber::fmt::layer()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(lines.clone())
            .with_filter(limit.clone());
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        for number in 0..LINES + 2 {
            info!("committed table {number}");
            error!("refused key {number}");
        }
        limit.tell_suppressed();
        let text = String::from_utf8(lines.0.lock().expect("no test panics here").clone());
        let text = text.expect("UTF-8");
        let told: Vec<_> = text
            .lines()
            .filter(|line| line.contains("suppressed"))
            .collect();
        assert_eq!(told.len(), 2, "{text}");
        for (level, example) in [("INFO", "committed table 20"), ("ERROR", "refused key 20")] {
            let expected = format!(
                "{level} 2 lines were suppressed, because lines like this came too often: {example}"
            );
            assert!(told.iter().any(|line| line.contains(&expected)), "{text}");
        }
    }
}
