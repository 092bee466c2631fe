//! Log lines on standard error, for people or as JSON, and never more of one kind than anybody reads.

mod log_limit;

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use super::args::{LogFormat, Verb};

pub(super) use log_limit::LogLimit;

/// The variable that sets the level: `error`, `warn`, `info`, `debug` or `trace`.
const LEVEL_VARIABLE: &str = "KOMBO_LOG";

/// Starts logging. Commands log errors only, since what a person needs to know is in the report; the service has nothing
/// else to say it with, and logs each fetch. Returns what counts the lines that are left out.
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
    // The Delta kernel's errors reach us, and are told with table, file and cure; its own lines may quote statistics.
    let ours = Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_target("delta_kernel", LevelFilter::OFF)
        .with_target("kombo_source", level);
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let limit = LogLimit::default();
    let limited = ours.and(limit.clone());
    let registry = tracing_subscriber::registry();
    match format {
        LogFormat::Text => registry
            .with(lines.with_target(false).with_filter(limited))
            .init(),
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_filter(limited))
            .init(),
    }
    limit
}
