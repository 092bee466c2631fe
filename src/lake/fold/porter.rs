//! Files for work that keeps a core busy: it runs on a thread of its own and asks for what it needs.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use object_store::ObjectStoreExt;
use tokio::sync::{mpsc, oneshot};

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{DataFiles, Written, on_cpu};
use crate::delta::file::writer::EncodedFile;
use crate::delta::object_key::{ObjectKey, Partition};

/// Fetches and stores files for a thread that must not wait for the store itself.
#[derive(Clone)]
pub(super) struct Porter(mpsc::Sender<BoxFuture<'static, ()>>);

/// Runs work on a thread of its own and its errands here. When this future is dropped the work finds nobody to ask, and
/// ends.
pub(super) async fn with_porter<T: Send + 'static>(
    work: impl FnOnce(&Porter) -> T + Send + 'static,
) -> Result<T, DeltaError> {
    let (porter, mut errands) = mpsc::channel(1);
    let mut done = pin!(on_cpu(move || work(&Porter(porter))));
    loop {
        tokio::select! {
            done = &mut done => return done,
            Some(errand) = errands.recv() => errand.await,
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

    /// Puts a file under a fresh name; nobody sees it yet.
    pub(super) fn put(
        &self,
        files: &Arc<DataFiles>,
        file: EncodedFile,
        partition: Partition,
    ) -> Result<Option<Written>, DeltaError> {
        let files = Arc::clone(files);
        self.ask(async move { files.put(Some(file), partition).await })
    }

    /// Deletes a file that this very work has put and that no entry names. Vacuum finds it if this does not happen.
    pub(super) fn discard(&self, files: &Arc<DataFiles>, written: &Written) {
        let (files, path) = (Arc::clone(files), written.add.path.clone());
        // Nobody there any more: then it is vacuum's.
        drop(self.send(async move {
            let key = ObjectKey::Listed(&files.table, &path).path();
            drop(files.store.objects().delete(&key).await);
        }));
    }

    /// Has an errand run, and waits for what it brings.
    fn ask<T: Send + 'static>(
        &self,
        errand: impl Future<Output = Result<T, DeltaError>> + Send + 'static,
    ) -> Result<T, DeltaError> {
        let (answer, answered) = oneshot::channel();
        // Whoever asked may be gone: then nobody needs the answer.
        self.send(async move { drop(answer.send(errand.await)) })?;
        answered.blocking_recv().unwrap_or(Err(DeltaError::Closed))
    }

    fn send(&self, errand: impl Future<Output = ()> + Send + 'static) -> Result<(), DeltaError> {
        let sent = self.0.blocking_send(errand.boxed());
        sent.map_err(|_| DeltaError::Closed)
    }
}
