//! Where the lake is and how it is written to.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};

use serde::Deserialize;

use crate::time::SecondLook;

/// Where the lake is and how it is written to.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LakeSettings {
    /// `file:///path`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `memory:`.
    pub url: String,
    /// The store's own options: region, endpoint, credentials.
    pub options: BTreeMap<String, String>,
    /// The least time between two log entries of one Delta table. Zero commits each fetch at once.
    pub commit_window_secs: u64,
    /// Decoded bytes of a table that are gathered before they are sorted and uploaded.
    pub run_bytes: NonZeroUsize,
    /// Decoded bytes of a Parquet row group.
    pub row_group_bytes: NonZeroUsize,
    /// Log entries of a Delta table between two checkpoints.
    pub checkpoint_interval: NonZeroU64,
    /// How far two looks have to be apart before the second may confirm that rows are gone.
    #[serde(skip)]
    pub second_look: SecondLook,
}

impl Default for LakeSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            options: BTreeMap::new(),
            commit_window_secs: 30,
            run_bytes: NonZeroUsize::new(32 << 20).expect("not zero"),
            row_group_bytes: NonZeroUsize::new(16 << 20).expect("not zero"),
            checkpoint_interval: NonZeroU64::new(100).expect("not zero"),
            second_look: SecondLook::default(),
        }
    }
}

impl fmt::Debug for LakeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A url and options may hold credentials.
        f.debug_struct("LakeSettings")
            .field("options", &self.options.keys())
            .field("commit_window_secs", &self.commit_window_secs)
            .field("run_bytes", &self.run_bytes)
            .field("row_group_bytes", &self.row_group_bytes)
            .field("checkpoint_interval", &self.checkpoint_interval)
            .finish_non_exhaustive()
    }
}
