//! Stores the notes of running services, which `status` reads: one small object for each service.
//!
//! No decision depends on the notes. The last writer of an object wins, and a lake without notes is complete.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::delta::fault::StoreFault;
use crate::ids::InstanceId;
use crate::lake::LakeError;
use crate::lake::layout::{DocumentKey, STATUS_FOLDER};
use crate::lake::tables::Tables;

/// Notes that were not written for so long are of a service that was replaced.
const OLD: Duration = Duration::from_hours(7 * 24);

/// The most notes that are read. More services than this share no lake.
const MOST: usize = 50;

/// Replaces the notes of one service.
pub(in crate::lake) async fn put_status(
    tables: &Tables,
    instance: &InstanceId,
    notes: Bytes,
) -> Result<(), LakeError> {
    let key = DocumentKey::Status(instance).path();
    let put = tables.store.objects().put(&key, notes.into()).await;
    put.map(drop).map_err(|error| failed(error.into()))
}

/// Returns the notes of every service that has run on this lake: at most [`MOST`], the last written first.
pub(in crate::lake) async fn read_status(
    tables: &Tables,
) -> Result<Vec<(InstanceId, Bytes)>, LakeError> {
    let mut found = listed(tables).await?;
    found.sort_by_key(|(_, meta)| std::cmp::Reverse(meta.last_modified));
    let mut notes = Vec::new();
    for (instance, meta) in found.into_iter().take(MOST) {
        let read = tables.store.read_if_there(&meta.location).await;
        notes.extend(read.map_err(failed)?.map(|bytes| (instance, bytes)));
    }
    Ok(notes)
}

/// Deletes the notes of services that have written none for a week, by the newest of all.
pub(in crate::lake) async fn forget_old(tables: &Tables) -> Result<(), LakeError> {
    let found = listed(tables).await?;
    // The store's clock is compared with itself.
    let Some(newest) = found.iter().map(|(_, meta)| meta.last_modified).max() else {
        return Ok(());
    };
    let is_old = |meta: &ObjectMeta| {
        let age = (newest - meta.last_modified).to_std();
        age.is_ok_and(|age| age > OLD)
    };
    for (_, meta) in &found {
        if is_old(meta) {
            let deleted = tables.store.delete(&meta.location).await;
            deleted.map_err(failed)?;
        }
    }
    Ok(())
}

async fn listed(tables: &Tables) -> Result<Vec<(InstanceId, ObjectMeta)>, LakeError> {
    let folder = Path::from(STATUS_FOLDER);
    let listed = tables.store.objects().list(Some(&folder));
    let found: Vec<ObjectMeta> = listed
        .try_collect()
        .await
        .map_err(|error| failed(error.into()))?;
    let named = found.into_iter().filter_map(|meta| {
        let name = meta.location.filename()?.strip_suffix(".json")?;
        Some((InstanceId::new(name)?, meta))
    });
    Ok(named.collect())
}

fn failed(source: StoreFault) -> LakeError {
    LakeError::Notes { source }
}
