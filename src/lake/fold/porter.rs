//! Reads and writes files for the merging thread, which has a thread of its own because merging keeps a core busy.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use object_store::ObjectStoreExt;
use tokio::sync::{mpsc, oneshot};

use crate::cpu::{CpuWork, Stopped, from_apart};
use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::file::writer::EncodedFile;
use crate::delta::object_key::{ObjectKey, Partition};

/// Reads and stores files for a thread that must not wait on the store itself.
#[derive(Clone)]
pub(super) struct Porter(mpsc::Sender<BoxFuture<'static, ()>>);

/// What the merging thread brings next.
enum Next<T> {
    Errand(BoxFuture<'static, ()>),
    Done(Result<T, Stopped>),
}

/// Runs `work` on a thread of its own, and runs the thread's requests in this future. If this future is dropped, the
/// next request of the thread fails and the work ends.
pub(super) async fn with_porter<T: Send + 'static>(
    work: impl FnOnce(&Porter) -> T + Send + 'static,
) -> Result<T, DeltaError> {
    let (porter, mut errands) = mpsc::channel(1);
    let mut done = CpuWork::apart(move || work(&Porter(porter)));
    loop {
        let next = async {
            tokio::select! {
                // A request that was sent before the end is not lost.
                biased;
                Some(errand) = errands.recv() => Next::Errand(errand),
                done = &mut done => Next::Done(done),
            }
        };
        match from_apart(next).await {
            Next::Errand(errand) => errand.await,
            Next::Done(done) => return done.map_err(|_| DeltaError::Closed),
        }
    }
}

impl Porter {
    /// Reads a part of a file.
    pub(super) fn read(
        &self,
        files: &Arc<DataFiles>,
        path: &str,
        range: Range<u64>,
    ) -> Result<Bytes, DeltaError> {
        let (files, path) = (Arc::clone(files), path.to_owned());
        self.ask(async move { files.read_range(&path, range).await })
    }

    /// Stores a file under a fresh name. The file is not visible before a commit names it.
    pub(super) fn put(
        &self,
        files: &Arc<DataFiles>,
        file: EncodedFile,
        partition: Partition,
    ) -> Result<Option<Written>, DeltaError> {
        let files = Arc::clone(files);
        self.ask(async move { files.put(Some(file), partition).await })
    }

    /// Deletes a file that this fold has stored and that no log entry names. If the deletion fails, vacuum deletes the
    /// file later.
    pub(super) fn discard(&self, files: &Arc<DataFiles>, written: &Written) {
        let (files, path) = (Arc::clone(files), written.add.path.clone());
        // When the receiving future is gone, the file is left to vacuum.
        drop(self.send(async move {
            let key = ObjectKey::Listed(&files.table, &path).path();
            drop(files.store.objects().delete(&key).await);
        }));
    }

    /// Runs a request and waits for the answer.
    fn ask<T: Send + 'static>(
        &self,
        errand: impl Future<Output = Result<T, DeltaError>> + Send + 'static,
    ) -> Result<T, DeltaError> {
        let (answer, answered) = oneshot::channel();
        // The asking thread may be gone: then the answer is not needed.
        self.send(async move { drop(answer.send(errand.await)) })?;
        answered.blocking_recv().unwrap_or(Err(DeltaError::Closed))
    }

    fn send(&self, errand: impl Future<Output = ()> + Send + 'static) -> Result<(), DeltaError> {
        let sent = self.0.blocking_send(errand.boxed());
        sent.map_err(|_| DeltaError::Closed)
    }
}
