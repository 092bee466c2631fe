//! A whole log read anew, and which entry it is when it cannot be.

use futures_util::TryStreamExt;

use crate::delta::log::kernel::{Kernel, Replay};
use crate::delta::log::live_file::BoundedColumns;
use crate::delta::log::log_error::LogError;
use crate::delta::log::log_state::LogState;
use crate::delta::log::tail::{entry, entry_version};
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;

/// Entries that are looked at to find the damaged one, the newest first: those that a checkpoint does not stand for.
const LOOKED_AT: usize = 200;

/// Reads a whole table. Three times if need be: a local disk may list an entry that was made while it listed, and not
/// the one made just before, which the kernel takes for a hole.
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
            // The kernel does not say which entry it was.
            Err(error) => return Err(damaged_entry(store, table).await.unwrap_or(error)),
        }
    };
    LogState::from_replay(version, lines, &table.to_string(), bounded)
}

/// Finds the newest entry that holds something else than actions. `None` when there is none, or when the store cannot be
/// asked.
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
                return Some(LogError::damaged_entry(table, version));
            }
            Err(_) => return None,
        }
    }
    None
}
