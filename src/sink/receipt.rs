//! What a sink answers to a commit.

use crate::time::ObservedAt;

/// What became of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Its rows and bases are durable and visible.
    Committed {
        /// The version of the table in the sink, for logs. A sink without versions answers 0.
        version: u64,
        /// Rows it added.
        rows: u64,
        /// Files they are in, shared ones included.
        files: u64,
        /// The size of those files; of a shared one, its part.
        bytes: u64,
        /// The watermark of the part it went to, from now on.
        seen: ObservedAt,
    },
    /// Another writer committed to this part of the table while the fetch ran. Nothing of the fetch is visible: fetch again.
    Superseded,
}
