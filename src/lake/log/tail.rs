//! The entries that came after a version.

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;

use super::action::{Line, from_json_lines};
use super::error::LogError;
use crate::lake::error::StoreFault;
use crate::lake::layout::{DeltaTable, ObjectKey};
use crate::lake::store::LakeStore;

/// Entries read at the same time.
const READAHEAD: usize = 16;

/// Returns whether a table has a log at all. Not whether it has version 0, which clean-up takes away.
pub(super) async fn exists(store: &LakeStore, table: &DeltaTable) -> Result<bool, LogError> {
    let log = ObjectKey::Log(table).path();
    match store.objects().list(Some(&log)).next().await {
        None => Ok(false),
        Some(Ok(_)) => Ok(true),
        Some(Err(error)) => Err(unreadable(table, &error)),
    }
}

/// Reads the entries after a version, in order. `None` when the next one is missing and later ones are there.
pub(super) async fn read(
    store: &LakeStore,
    table: &DeltaTable,
    after: u64,
) -> Result<Option<Vec<Vec<Line>>>, LogError> {
    let log = ObjectKey::Log(table).path();
    let known = ObjectKey::LogEntry(table, after).path();
    let mut versions: Vec<u64> = store
        .objects()
        .list_with_offset(Some(&log), &known)
        .map_err(|error| unreadable(table, &error))
        .try_filter_map(async |found| Ok(found.location.filename().and_then(entry_version)))
        .try_collect()
        .await?;
    versions.retain(|version| *version > after);
    versions.sort_unstable();
    if !versions
        .iter()
        .copied()
        .eq((after + 1..).take(versions.len()))
    {
        return Ok(None);
    }
    stream::iter(versions)
        .map(|version| entry(store, table, version))
        .buffered(READAHEAD)
        .try_collect()
        .await
        .map(Some)
}

async fn entry(store: &LakeStore, table: &DeltaTable, version: u64) -> Result<Vec<Line>, LogError> {
    let key = ObjectKey::LogEntry(table, version).path();
    let read = async { store.objects().get(&key).await?.bytes().await };
    let bytes = read.await.map_err(|error| unreadable(table, &error))?;
    from_json_lines(&bytes).ok_or_else(|| LogError::Damaged {
        table: table.to_string(),
        what: format!("version {version} holds a line that is no action"),
    })
}

/// Reads the version in the name of a log entry; `None` for checkpoints and whatever else lies there.
fn entry_version(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

fn unreadable(table: &DeltaTable, error: &object_store::Error) -> LogError {
    LogError::Read {
        table: table.to_string(),
        source: StoreFault::from(error),
    }
}
