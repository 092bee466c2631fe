//! What failed as people read of it: what, why, and below that what to do.

use std::error::Error;
use std::fmt::Display;

use crate::lake::SetAside;
use crate::words::with_causes;

/// The width of the first word of a line, in most reports and in those of a backfill and a fold.
pub(super) const NARROW: usize = 8;
pub(super) const WIDE: usize = 10;

/// Writes the two lines about something that failed.
pub(super) fn failed(width: usize, what: impl Display, error: &dyn Error, advice: &str) -> String {
    let reason = with_causes(error);
    format!(
        "{:<width$}{what}: {reason}\n{:width$}{advice}",
        "failed", ""
    )
}

/// Writes two lines for each that was set aside.
pub(super) fn aside<M: Display>(width: usize, aside: &[SetAside<M>]) -> Vec<String> {
    let lines = |one: &SetAside<M>| failed(width, &one.member, &one.error, one.error.advice());
    aside.iter().map(lines).collect()
}

/// Ends each line.
pub(super) fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}
