//! What was set aside as people read of it: which table, why, and what to do.

use std::fmt::Display;

use crate::lake::SetAside;
use crate::words::with_causes;

/// Writes two lines for each.
pub(super) fn aside<M: Display>(aside: &[SetAside<M>]) -> String {
    let two = |one: &SetAside<M>| {
        let (reason, advice) = (with_causes(&one.error), one.error.advice());
        format!("failed    {}: {reason}\n          {advice}\n", one.member)
    };
    aside.iter().map(two).collect()
}
