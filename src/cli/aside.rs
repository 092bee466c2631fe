//! What was set aside as people read of it: which table, why, and what to do.

use std::fmt::Display;

use crate::backfill::outcome::with_causes;
use crate::lake::SetAside;

/// Writes two lines for each.
pub(super) fn aside<M: Display>(aside: &[SetAside<M>]) -> String {
    let two = |one: &SetAside<M>| {
        let (reason, advice) = (with_causes(&one.error), one.error.advice());
        format!("failed    {}: {reason}\n          {advice}\n", one.member)
    };
    aside.iter().map(two).collect()
}
