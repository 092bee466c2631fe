//! Stores the notes of a running service, which `status` reads: one small object beside the tables.
//!
//! No decision depends on the notes. The last writer wins, and a lake without notes is complete.

use bytes::Bytes;
use object_store::ObjectStoreExt;

use crate::delta::fault::StoreFault;
use crate::lake::LakeError;
use crate::lake::layout::DocumentKey;
use crate::lake::tables::Tables;

/// Replaces the stored notes.
pub(in crate::lake) async fn put_status(tables: &Tables, notes: Bytes) -> Result<(), LakeError> {
    let objects = tables.store.objects();
    let put = objects.put(&DocumentKey::Status.path(), notes.into()).await;
    put.map(drop).map_err(|error| failed(error.into()))
}

/// Returns the stored notes; `None` when no service has run on this lake.
pub(in crate::lake) async fn read_status(tables: &Tables) -> Result<Option<Bytes>, LakeError> {
    let key = DocumentKey::Status.path();
    let read = tables.store.read_if_there(&key).await;
    read.map_err(failed)
}

fn failed(source: StoreFault) -> LakeError {
    LakeError::Notes { source }
}
