//! Log lines on standard error, for people or as JSON.

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use super::args::LogFormat;

/// The variable that sets the level: `error`, `warn`, `info`, `debug` or `trace`.
const LEVEL_VARIABLE: &str = "KOMBO_LOG";

/// Starts logging. Without being asked it logs errors only: what a person needs to know is in the report.
pub(super) fn start(format: LogFormat, verbosity: i16) {
    let level = match verbosity {
        ..=0 => Level::ERROR,
        1 => Level::INFO,
        _ => Level::DEBUG,
    };
    let wanted = std::env::var(LEVEL_VARIABLE).ok();
    let level = wanted.and_then(|level| level.parse().ok()).unwrap_or(level);
    // Other crates may quote URLs and bodies in their lines below errors, so only ours follow the level.
    let filter = EnvFilter::new(format!("error,kombo_source={level}"));
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
