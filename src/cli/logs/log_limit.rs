//! Limits log lines: at most 20 lines from one place in the code within 10 seconds, and one warning per cause within a minute.
//!
//! Warnings from one place with the same advice have the same cause: a lake that is mounted read-only fails every table.
//! A thousand tables that fail for the same reason need no thousand lines. Suppressed lines are counted, and the service logs
//! the counts every minute and at its end, because a filter must not log itself. Such a line has the level of the lines that it
//! stands for: a filter on warnings must not take suppressed information for a warning, and must not lose a suppressed error.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, debug, error, info, trace, warn};
use tracing_subscriber::layer::{Context, Filter};

use super::text_fields::TextLine;
use crate::words::counted_as;

/// How often one place may log.
const USUAL: LineRate = LineRate {
    lines: 20,
    window: Duration::from_secs(10),
};

/// How often one place may warn of one cause.
const SAME_CAUSE: LineRate = LineRate {
    lines: 1,
    window: Duration::from_mins(1),
};

/// The field of a warning that identifies its cause, because each cure has its own sentence.
const CAUSE: &str = "advice";

/// The most lines within a window. Vector has the same defaults for a place.
#[derive(Clone, Copy, Debug)]
struct LineRate {
    lines: u32,
    window: Duration,
}

/// A place in the code, and the advice of a warning.
type LineSource = (Identifier, Option<String>);

/// Suppresses lines of a place that logs too often. Clones share their counters.
#[derive(Clone, Debug)]
pub(in crate::cli) struct LogLimit {
    places: Arc<Mutex<HashMap<LineSource, LogPlace>>>,
    /// Whether warnings are limited by their cause.
    by_cause: bool,
}

/// One place in the code.
#[derive(Debug)]
struct LogPlace {
    /// File and line of the place.
    name: String,
    level: Level,
    since: Instant,
    lines: u32,
    suppressed: u64,
    /// The first suppressed line, without its time.
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
    /// Makes a limit for lines of this level and above. Whoever reads lines for debugging sees the warning of each table.
    pub(super) fn new(level: Level) -> Self {
        Self {
            places: Arc::default(),
            by_cause: level < Level::DEBUG,
        }
    }

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

    /// Returns whether a line is written. `cause` is the cause of a warning, and `text` gives the line as text.
    fn passes(
        &self,
        metadata: &Metadata<'_>,
        cause: Option<String>,
        now: Instant,
        text: impl FnOnce() -> String,
    ) -> bool {
        let rate = if cause.is_some() { SAME_CAUSE } else { USUAL };
        let mut places = self.places();
        let place = places
            .entry((metadata.callsite(), cause))
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
        if now.duration_since(place.since) >= rate.window {
            (place.since, place.lines) = (now, 0);
        }
        let passes = place.lines < rate.lines;
        if passes {
            place.lines += 1;
        } else {
            if place.suppressed == 0 {
                place.example = text();
            }
            place.suppressed += 1;
        }
        passes
    }

    /// Returns the cause of a warning, if warnings are limited by cause and this one names a cure.
    fn cause(&self, event: &Event<'_>) -> Option<String> {
        let metadata = event.metadata();
        let is_limited = self.by_cause && *metadata.level() == Level::WARN;
        let field = metadata.fields().field(CAUSE).filter(|_| is_limited)?;
        let text = TextLine::of(event).take(field.name());
        text.filter(|advice| !advice.is_empty())
    }

    fn places(&self) -> MutexGuard<'_, HashMap<LineSource, LogPlace>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.passes(event.metadata(), self.cause(event), Instant::now(), || {
            TextLine::of(event).sentence()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::text_fields::TextFields;
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
        let limit = LogLimit::new(Level::INFO);
        let text = || "x".to_owned();
        let passes = || limit.passes(CALLSITE.metadata(), None, Instant::now(), text);
        let written = (0..USUAL.lines + 7).filter(|_| passes()).count();
        assert_eq!(written, USUAL.lines as usize);
        assert_eq!(limit.take_suppressed()[0].lines, 7);
        assert!(limit.take_suppressed().is_empty(), "told once");
        tokio::time::advance(USUAL.window).await;
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

    /// Returns what is written while lines are logged below a limit, and then the suppressed lines.
    fn written(level: Level, log: impl FnOnce()) -> String {
        let (limit, lines) = (LogLimit::new(level), Lines::default());
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(TextFields)
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(lines.clone())
            .with_filter(limit.clone());
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        log();
        limit.tell_suppressed();
        let bytes = lines.0.lock().expect("no test panics here").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[tokio::test(start_paused = true)]
    async fn suppressed_lines_keep_their_level_and_show_one_of_them() {
        let text = written(Level::INFO, || {
            for number in 0..USUAL.lines + 2 {
                info!("committed table {number}");
                error!("refused key {number}");
            }
        });
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

    fn fail_tables() {
        for (table, advice) in [
            ("a", "mount it"),
            ("b", "mount it"),
            ("c", "mount it"),
            ("d", "ask Kombo"),
        ] {
            warn!(error = "no write", advice, "fetching {table} failed");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tables_that_fail_for_one_cause_give_one_warning_and_a_number() {
        let text = written(Level::INFO, fail_tables);
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        let [first, other, rest] = lines[..] else {
            panic!("three lines: {text}");
        };
        assert_eq!(first, "WARN fetching a failed: no write; mount it");
        assert_eq!(other, "WARN fetching d failed: no write; ask Kombo");
        let said = "WARN 2 lines were suppressed, because lines like this came too often: fetching b failed: no write; mount it (place=";
        assert!(rest.starts_with(said), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_debugs_sees_the_warning_of_each_table() {
        assert_eq!(written(Level::DEBUG, fail_tables).lines().count(), 4);
    }
}
