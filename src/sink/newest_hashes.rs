//! The newest `_hash` that a sink has of rows that a delta brought. Unchanged rows are not written again.

use std::collections::HashMap;
use std::fmt;

use crate::time::UpdatedAfter;

/// Rows of one table that a delta brought and that are to be looked up.
#[derive(Clone)]
pub struct HashLookup {
    /// The ids of the rows.
    pub ids: Vec<String>,
    /// The `updated_after` of the delta: the rows changed after this instant.
    pub changed_after: UpdatedAfter,
}

/// The newest hash of each row, as far as the sink can tell.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NewestHashes {
    /// The `_hash` of the newest observation, by id. Holds only rows that Kombo sent and that were observed since the
    /// live snapshot began. An older row may still be removed, because the live snapshot does not have it.
    pub hashes: HashMap<String, i64>,
    /// Bytes that were read. A read of less than 64 KiB counts as 64 KiB.
    pub bytes: u64,
}

impl fmt::Debug for HashLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashLookup({})", self.ids.len())
    }
}

impl fmt::Debug for NewestHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hashes, bytes } = self;
        write!(f, "NewestHashes({} rows, {bytes} bytes)", hashes.len())
    }
}
