//! Where a running service leaves notes for whoever asks how it is: one small object beside the tables.
//!
//! No rule reads them. They are put as they are, the last writer wins, and a lake without them is whole.

use bytes::Bytes;
use object_store::ObjectStoreExt;

use crate::delta::fault::{FaultReason, StoreFault};
use crate::lake::layout::DocumentKey;
use crate::lake::{Lake, LakeError};

impl Lake {
    /// Puts the service's notes in the place of those that are there.
    pub async fn put_status(&self, notes: Bytes) -> Result<(), LakeError> {
        let objects = self.tables().store.objects();
        let put = objects.put(&DocumentKey::Status.path(), notes.into()).await;
        put.map(|_| ()).map_err(failed)
    }

    /// Returns the notes that a service left; `None` where none has run.
    pub async fn read_status(&self) -> Result<Option<Bytes>, LakeError> {
        let objects = self.tables().store.objects();
        let found = objects.get(&DocumentKey::Status.path()).await;
        match found {
            Ok(found) => found.bytes().await.map(Some).map_err(failed),
            Err(error) if StoreFault::from(&error).reason() == FaultReason::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: object_store::Error) -> LakeError {
    LakeError::Notes {
        source: error.into(),
    }
}
