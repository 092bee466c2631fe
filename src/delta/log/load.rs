//! Reads a complete log from the store, and finds the damaged entry when that fails.

use futures_util::TryStreamExt;

use crate::delta::log::kernel::{Kernel, Replay};
use crate::delta::log::live_file::BoundedColumns;
use crate::delta::log::log_damage::{LogDamage, LogDamageKind};
use crate::delta::log::log_error::LogError;
use crate::delta::log::log_state::LogState;
use crate::delta::log::tail::{entry, entry_version};
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;

/// Entries that are checked to find a damaged one, the newest first. Older entries are covered by a checkpoint.
const LOOKED_AT: usize = 200;

/// Reads the complete state of a table, with up to three tries. A local disk may list an entry that was created
/// during the listing, and miss the entry created just before. The kernel takes the missing entry for a hole.
pub(super) async fn load(
    kernel: &Kernel,
    store: &TableStore,
    table: &TablePath,
    bounded: BoundedColumns,
) -> Result<LogState, LogError> {
    let mut tries = 0;
    let (version, lines) = loop {
        tries += 1;
        match kernel.replay(None, Replay::State).await {
            Ok(read) => break read,
            Err(error) if error.is_retryable() && tries < 3 => {}
            // The kernel does not say which entry is damaged.
            Err(error) => return Err(damaged_entry(store, table).await.unwrap_or(error)),
        }
    };
    LogState::from_replay(version, lines, table, bounded)
}

/// Finds the newest entry with content that is not actions. `None` when there is no such entry, or when the store
/// cannot be read.
async fn damaged_entry(store: &TableStore, table: &TablePath) -> Option<LogError> {
    let log = ObjectKey::Log(table).path();
    let listed = store.objects().list(Some(&log));
    let listed: Vec<_> = listed.try_collect().await.ok()?;
    let names = listed.iter().filter_map(|found| found.location.filename());
    let mut versions: Vec<u64> = names.filter_map(entry_version).collect();
    versions.sort_unstable();
    for version in versions.into_iter().rev().take(LOOKED_AT) {
        match entry(store, table, version).await {
            Ok(lines) if !lines.is_empty() => {}
            Ok(_) | Err(LogError::Damaged { .. }) => {
                let kind = LogDamageKind::GarbledEntry;
                return Some(LogError::damaged(
                    table,
                    LogDamage::of_entry(table, version, kind),
                ));
            }
            Err(_) => return None,
        }
    }
    None
}
