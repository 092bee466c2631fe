//! A checkpoint or hint of a log that cannot be used.

use std::fmt;

use crate::delta::object_key::{ObjectKey, TablePath};

/// A copy of what the entries say that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flaw {
    /// `_last_checkpoint` is garbled, or names a checkpoint that is not there.
    Hint,
    /// The checkpoint of this version cannot be read.
    Checkpoint(u64),
}

impl Flaw {
    /// Returns the path of the flawed file below the lake's root.
    pub(crate) fn file(self, table: &TablePath) -> String {
        match self {
            Self::Hint => ObjectKey::LastCheckpoint(table).to_string(),
            Self::Checkpoint(version) => ObjectKey::Checkpoint(table, version).to_string(),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hint => "does not name a checkpoint that is there",
            Self::Checkpoint(_) => "cannot be read",
        })
    }
}
