//! Reads the entries after a version.

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;

use crate::delta::log::action::{LogLine, from_entry, is_emptied};
use crate::delta::log::listing::LogListing;
use crate::delta::log::log_damage::{LogDamage, LogDamageKind};
use crate::delta::log::log_error::LogError;
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;

/// Entries that are read at the same time.
pub(super) const READAHEAD: usize = 16;

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
const LONGEST_TAIL: u64 = 100;

/// Reads the entries after a version, in order. `None` when the log has to be read from a checkpoint: the entries do not
/// lead on from the version, one was emptied, or reading so many of them is slower.
pub(super) async fn read(
    store: &TableStore,
    table: &TablePath,
    after: u64,
) -> Result<Option<Vec<Vec<LogLine>>>, LogError> {
    let listing = LogListing::from(store, table, after).await?;
    let is_there = |version: &u64| {
        listing.entries.contains_key(version) || listing.checkpoints.contains_key(version)
    };
    let newest = listing.entries.keys().next_back().copied();
    let newest = newest.unwrap_or_default().max(after);
    // A newest checkpoint stands for its entry and for all before it.
    let leads_on = is_there(&after) && listing.newest() <= Some(newest);
    if !leads_on || newest - after > LONGEST_TAIL {
        return Ok(None);
    }
    // A local disk may list an entry that was created during the listing, and miss the entry created just before. So
    // each entry up to the newest is read, listed or not.
    let read = stream::iter(after + 1..=newest)
        .map(|version| entry(store, table, version))
        .buffered(READAHEAD)
        .try_collect();
    let entries: Vec<Vec<LogLine>> = match read.await {
        Err(LogError::Read { source, .. }) if source.is_not_found() => return Ok(None),
        read => read?,
    };
    let is_whole = !entries.iter().any(|lines| is_emptied(lines));
    Ok(is_whole.then_some(entries))
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
    from_entry(&bytes)
        .map_err(|kind| LogError::damaged(table, LogDamage::of_entry(table, version, kind)))
}
