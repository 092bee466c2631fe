//! Deletes data files that no version within the grace names.
//!
//! Such files are left by fetches that did not finish, by whoever lost a race, by snapshots that were replaced and by
//! merges. A file that a running fetch has uploaded looks the same but for its age: the grace is many times the longest
//! fetch. Files are listed before the log is read, so that one committed in between is seen to be live.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::delta::delta_error::DeltaError;
use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::object_key::ObjectKey;
use crate::lake::care::TableUpkeep;
use crate::lake::tables::OpenTable;

/// Deletes, or lists, what is older than `before_ms` and named by nothing.
pub(in crate::lake) async fn run(
    table: &OpenTable,
    before_ms: i64,
    dry_run: bool,
    done: &mut TableUpkeep,
) -> Result<(), DeltaError> {
    let old = old_files(table, before_ms).await?;
    if old.is_empty() {
        return Ok(());
    }
    let named = named(table, before_ms).await?;
    let unnamed = old
        .into_iter()
        .filter(|file| !named.contains(&file.location));
    for file in unnamed {
        if dry_run {
            done.listed.push(file.location.to_string());
        } else {
            delete(table, &file.location).await?;
        }
        done.deleted_files += 1;
        done.deleted_bytes += file.size;
    }
    Ok(())
}

async fn old_files(table: &OpenTable, before_ms: i64) -> Result<Vec<ObjectMeta>, DeltaError> {
    let folder = table.path().folder();
    let is_old = |file: &ObjectMeta| file.last_modified.timestamp_millis() < before_ms;
    let listed = table.files.store.objects().list(Some(&folder));
    let files: Vec<ObjectMeta> = listed
        .try_filter(|file| std::future::ready(is_old(file) && is_data(file, &folder)))
        .try_collect()
        .await
        .map_err(|error| unreadable(table, error.into()))?;
    Ok(files)
}

/// The log and whatever else begins with an underscore or a dot is no data.
fn is_data(file: &ObjectMeta, folder: &Path) -> bool {
    let hidden = file
        .location
        .prefix_match(folder)
        .is_none_or(|mut parts| parts.any(|part| part.as_ref().starts_with(['_', '.'])));
    !hidden && file.location.extension() == Some("parquet")
}

/// Returns the keys of the files that are live, or were until not long ago: a reader may have begun then.
async fn named(table: &OpenTable, before_ms: i64) -> Result<HashSet<Path>, DeltaError> {
    let state = table.refreshed().await?;
    let live = table.live(&state).await?;
    let removed = table.log.removed_since(before_ms).await;
    let removed = removed.map_err(|error| table.log_error(error))?;
    let live = live.iter().map(|file| file.path.as_str());
    let paths = live.chain(removed.iter().map(String::as_str));
    let key = |path| ObjectKey::Listed(table.path(), path).path();
    Ok(paths.map(key).collect())
}

async fn delete(table: &OpenTable, file: &Path) -> Result<(), DeltaError> {
    let deleted = table.files.store.objects().delete(file).await;
    match deleted.map_err(StoreFault::from) {
        Ok(()) => Ok(()),
        // Another process was first, or an answer was lost.
        Err(fault) if fault.reason() == FaultReason::NotFound => Ok(()),
        Err(fault) => Err(unreadable(table, fault)),
    }
}

fn unreadable(table: &OpenTable, source: StoreFault) -> DeltaError {
    DeltaError::Vacuum {
        table: table.name.to_string(),
        source,
    }
}
