//! Reads the entries after a version.

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;

use crate::delta::log::action::{LogLine, from_json_lines, is_emptied};
use crate::delta::log::log_damage::{LogDamage, LogDamageKind};
use crate::delta::log::log_error::LogError;
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;

/// Entries that are read at the same time.
const READAHEAD: usize = 16;

/// Returns whether a table has a log. Does not look for version 0, which clean-up may have deleted.
pub(super) async fn exists(store: &TableStore, table: &TablePath) -> Result<bool, LogError> {
    let log = ObjectKey::Log(table).path();
    if has_objects(store, table, &log).await? {
        return Ok(true);
    }
    // A table begins with its log. Data files without a log mean that the log is lost, never that the table is new.
    if has_objects(store, table, &table.folder()).await? {
        // Another process may have created the table between the two checks. Its log came before its files.
        if has_objects(store, table, &log).await? {
            return Ok(true);
        }
        let damage = LogDamage::of_log(table, LogDamageKind::MissingLog);
        return Err(LogError::damaged(table, damage));
    }
    Ok(false)
}

async fn has_objects(
    store: &TableStore,
    table: &TablePath,
    below: &Path,
) -> Result<bool, LogError> {
    match store.objects().list(Some(below)).next().await {
        None => Ok(false),
        Some(Ok(_)) => Ok(true),
        Some(Err(error)) => Err(LogError::read(table, error.into())),
    }
}

/// Entries that are read one by one, at most. Each entry may have megabytes.
const LONGEST_TAIL: usize = 100;

/// Reads the entries after a version, in order. `None` when the next entries were cleaned up or emptied, or when reading
/// the newest checkpoint is faster than reading so many entries.
pub(super) async fn read(
    store: &TableStore,
    table: &TablePath,
    after: u64,
) -> Result<Option<Vec<Vec<LogLine>>>, LogError> {
    let log = ObjectKey::Log(table).path();
    let known = ObjectKey::LogEntry(table, after).path();
    let mut versions: Vec<u64> = store
        .objects()
        .list_with_offset(Some(&log), &known)
        .map_err(|error| LogError::read(table, error.into()))
        .try_filter_map(async |found| Ok(found.location.filename().and_then(entry_version)))
        .try_collect()
        .await?;
    versions.retain(|version| *version > after);
    versions.sort_unstable();
    if versions.len() > LONGEST_TAIL {
        return Ok(None);
    }
    // A local disk may list an entry that was created during the listing, and miss the entry created just before.
    // Entries behind such a hole are left to the next read.
    let next = after + 1;
    let listed = versions.iter().zip(next..).take_while(|(a, b)| **a == *b);
    let reachable = next..next + listed.count() as u64;
    if reachable.is_empty() && !versions.is_empty() {
        return match entry(store, table, next).await {
            Err(LogError::Read { source, .. }) if source.is_not_found() => Ok(None),
            read => read.map(|lines| (!is_emptied(&lines)).then(|| vec![lines])),
        };
    }
    let read: Vec<_> = stream::iter(reachable)
        .map(|version| entry(store, table, version))
        .buffered(READAHEAD)
        .try_collect()
        .await?;
    Ok((!read.iter().any(|lines| is_emptied(lines))).then_some(read))
}

/// Reads one entry.
pub(super) async fn entry(
    store: &TableStore,
    table: &TablePath,
    version: u64,
) -> Result<Vec<LogLine>, LogError> {
    let key = ObjectKey::LogEntry(table, version).path();
    let read = store.read(&key).await;
    let bytes = read.map_err(|fault| LogError::read(table, fault))?;
    from_json_lines(&bytes).ok_or_else(|| {
        let kind = LogDamageKind::GarbledEntry;
        LogError::damaged(table, LogDamage::of_entry(table, version, kind))
    })
}

/// Reads the version from the name of a log entry. `None` for checkpoints and other files.
pub(super) fn entry_version(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}
