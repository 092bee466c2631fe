//! Where a running service leaves notes for whoever asks how it is: one small object beside the tables.
//!
//! No rule reads them. They are put as they are, the last writer wins, and a lake without them is whole.

use bytes::Bytes;
use object_store::ObjectStoreExt;

use crate::delta::fault::StoreFault;
use crate::lake::LakeError;
use crate::lake::layout::DocumentKey;
use crate::lake::tables::Tables;

/// Puts the service's notes in the place of those that are there.
pub(in crate::lake) async fn put_status(tables: &Tables, notes: Bytes) -> Result<(), LakeError> {
    let objects = tables.store.objects();
    let put = objects.put(&DocumentKey::Status.path(), notes.into()).await;
    put.map(drop).map_err(|error| failed(error.into()))
}

/// Returns the notes that a service left; `None` where none has run.
pub(in crate::lake) async fn read_status(tables: &Tables) -> Result<Option<Bytes>, LakeError> {
    let key = DocumentKey::Status.path();
    let read = tables.store.read_if_there(&key).await;
    read.map_err(failed)
}

fn failed(source: StoreFault) -> LakeError {
    LakeError::Notes { source }
}
