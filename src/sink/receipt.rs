//! What a sink answers to a commit.

use crate::time::ObservedAt;

/// The outcome of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The rows and bases of the fetch are durable and visible.
    Committed {
        /// The version of the table in the sink, for logs. A sink without versions answers 0.
        version: u64,
        /// Number of rows that the commit added.
        rows: u64,
        /// Number of files that hold the rows. Files shared with other tables count.
        files: u64,
        /// Size of the rows' files in bytes. Of a shared file only this table's share counts.
        bytes: u64,
        /// The watermark of the fetch's part after the commit.
        seen: ObservedAt,
    },
    /// Another writer committed to this part of the table while the fetch ran. Nothing of the fetch is visible. The
    /// caller fetches again.
    Superseded,
}
