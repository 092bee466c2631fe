//! What a sink has already of the rows that a delta brought, so that unchanged rows are not written again.

use std::collections::HashMap;
use std::fmt;

use crate::time::UpdatedAfter;

/// Rows of one table that a delta brought, to be looked up.
#[derive(Clone)]
pub struct HashLookup {
    /// Their ids.
    pub ids: Vec<String>,
    /// The instant that the delta asked for: they changed later.
    pub changed_after: UpdatedAfter,
}

/// The newest hash of each row, as far as the sink can tell.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NewestHashes {
    /// The `_hash` of the newest observation, by id. Only of rows that Kombo sent, and that were observed since the live
    /// snapshot began: an older one may yet be taken out, since that snapshot did not have it.
    pub hashes: HashMap<String, i64>,
    /// Bytes that were read, a small read counted as 64 KiB.
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
