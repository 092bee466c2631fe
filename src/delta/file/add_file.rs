//! A data file on its way into a table's log.

use std::collections::BTreeMap;

use crate::time::Moment;

/// A data file that becomes visible. It is on the store already.
#[derive(Clone, PartialEq, Eq)]
pub struct AddFile {
    /// Path below the table's folder, not encoded.
    pub path: String,
    /// Value of each partition column.
    pub partition_values: BTreeMap<String, String>,
    /// Size in bytes.
    pub size: u64,
    /// When it was written.
    pub modified_at: Moment,
    /// Statistics, JSON by the Delta protocol.
    pub stats: String,
    /// Free notes about the file.
    pub tags: BTreeMap<String, String>,
}

impl std::fmt::Debug for AddFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Statistics hold row values.
        write!(f, "AddFile({}, {} bytes)", self.path, self.size)
    }
}
