//! Log lines on standard error, as text or as JSON, with a limit for repeated lines.

mod log_limit;
mod text_fields;

use tracing::Level;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use super::args::{LogFormat, Verb};
use super::terminal::Terminal;

pub(super) use log_limit::LogLimit;
use text_fields::TextFields;

/// The environment variable that sets the level: `error`, `warn`, `info`, `debug` or `trace`.
const LEVEL_VARIABLE: &str = "KOMBO_LOG";

/// Starts logging. Commands log errors only, because their reports hold everything else. The service has no report, and logs
/// each fetch. Returns the counter of suppressed lines.
pub(super) fn start(format: LogFormat, verbosity: i16, verb: &Verb) -> LogLimit {
    let usual = i16::from(matches!(verb, Verb::Run(_)));
    let level = match verbosity + usual {
        ..=0 => Level::ERROR,
        1 => Level::INFO,
        _ => Level::DEBUG,
    };
    let wanted = std::env::var(LEVEL_VARIABLE).ok();
    let level = wanted.and_then(|level| level.parse().ok()).unwrap_or(level);
    // Other crates may quote URLs and bodies in their lines below errors, so only ours follow the level.
    // Errors of the Delta kernel are logged by us with table, file and advice; its own lines may quote statistics.
    let ours = Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_target("delta_kernel", LevelFilter::OFF)
        // Each attempt to connect has such a line; our own error names the cause once.
        .with_target("rustls_platform_verifier", LevelFilter::OFF)
        .with_target("kombo_source", level);
    let lines = fmt::layer()
        .with_ansi(Terminal::stderr().has_colour())
        .with_writer(std::io::stderr);
    let limit = LogLimit::new(level);
    let limited = ours.and(limit.clone());
    let registry = tracing_subscriber::registry();
    match format {
        LogFormat::Text => registry
            .with(
                lines
                    .fmt_fields(TextFields)
                    .with_target(false)
                    .with_filter(limited),
            )
            .init(),
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_filter(limited))
            .init(),
    }
    limit
}
