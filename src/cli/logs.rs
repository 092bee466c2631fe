//! Log lines on standard error, for people or as JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use super::args::LogFormat;

/// The variable that sets levels per module, as in `kombo_source=debug`.
const FILTER_VARIABLE: &str = "KOMBO_LOG";

/// Starts logging. `verbosity` above zero says more than warnings, below zero errors only.
pub(super) fn start(format: LogFormat, verbosity: i16) {
    let level = match verbosity {
        ..0 => "error",
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    // Other crates may quote URLs and bodies in their debug lines, so only ours follow the verbosity.
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE)
        .unwrap_or_else(|_| EnvFilter::new(format!("error,kombo_source={level}")));
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
