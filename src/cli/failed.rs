//! Report lines about failures: what failed and why, and below what to do.

use std::error::Error;
use std::fmt::Display;

use serde_json::{Value, json};

use crate::lake::{LakeError, SetAside};
use crate::words::with_causes;

/// The width of labels: narrow in most reports, wide in the reports of a backfill and a fold.
pub(super) const NARROW: usize = 8;
pub(super) const WIDE: usize = 10;

/// Returns the two lines about a failure.
pub(super) fn failed(width: usize, what: impl Display, error: &dyn Error, advice: &str) -> String {
    let reason = with_causes(error);
    format!(
        "{:<width$}{what}: {reason}\n{:width$}{advice}",
        "failed", ""
    )
}

/// Returns two lines for each member that was set aside.
pub(super) fn aside<M: Display>(width: usize, aside: &[SetAside<M>]) -> Vec<String> {
    let lines = |one: &SetAside<M>| failed(width, &one.member, &one.error, one.error.advice());
    aside.iter().map(lines).collect()
}

/// Returns failures as JSON: what, why and what to do.
pub(super) fn as_json<'a>(failed: impl Iterator<Item = (&'a str, &'a LakeError)>) -> Vec<Value> {
    let object = |(table, error): (&str, &LakeError)| json!({"table": table, "error": with_causes(error), "advice": error.advice()});
    failed.map(object).collect()
}

/// Joins lines to a text. Each line ends with a newline.
pub(super) fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}
