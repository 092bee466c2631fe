//! Files for work that keeps a core busy: it runs on a thread of its own and asks for what it needs.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use tokio::sync::{mpsc, oneshot};

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{DataFiles, Written, on_cpu};
use crate::delta::file::writer::EncodedFile;
use crate::delta::object_key::ObjectKey;
use crate::delta::object_key::Partition;

/// Fetches and stores files for a thread that must not wait for the store itself.
#[derive(Clone)]
pub(super) struct Porter(mpsc::Sender<Errand>);

enum Errand {
    Read {
        files: Arc<DataFiles>,
        path: String,
        range: Range<u64>,
        answer: oneshot::Sender<Result<Bytes, DeltaError>>,
    },
    Put {
        files: Arc<DataFiles>,
        file: EncodedFile,
        partition: Partition,
        answer: oneshot::Sender<Result<Option<Written>, DeltaError>>,
    },
    Discard {
        files: Arc<DataFiles>,
        path: String,
    },
}

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
            Some(errand) = errands.recv() => errand.run().await,
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
        let (answer, answered) = oneshot::channel();
        self.send(Errand::Read {
            files: Arc::clone(files),
            path: path.to_owned(),
            range,
            answer,
        })?;
        answered.blocking_recv().unwrap_or(Err(DeltaError::Closed))
    }

    /// Puts a file under a fresh name; nobody sees it yet.
    pub(super) fn put(
        &self,
        files: &Arc<DataFiles>,
        file: EncodedFile,
        partition: Partition,
    ) -> Result<Option<Written>, DeltaError> {
        let (answer, answered) = oneshot::channel();
        self.send(Errand::Put {
            files: Arc::clone(files),
            file,
            partition,
            answer,
        })?;
        answered.blocking_recv().unwrap_or(Err(DeltaError::Closed))
    }

    /// Deletes a file that this very work has put and that no entry names. Vacuum finds it if this does not happen.
    pub(super) fn discard(&self, files: &Arc<DataFiles>, written: &Written) {
        // Nobody there any more: then it is vacuum's.
        drop(self.send(Errand::Discard {
            files: Arc::clone(files),
            path: written.add.path.clone(),
        }));
    }

    fn send(&self, errand: Errand) -> Result<(), DeltaError> {
        self.0.blocking_send(errand).map_err(|_| DeltaError::Closed)
    }
}

impl Errand {
    /// Whoever asked may be gone: then nobody needs the answer.
    async fn run(self) {
        match self {
            Self::Read {
                files,
                path,
                range,
                answer,
            } => drop(answer.send(files.read_range(&path, range).await)),
            Self::Put {
                files,
                file,
                partition,
                answer,
            } => drop(answer.send(files.put(Some(file), partition).await)),
            Self::Discard { files, path } => {
                let key = ObjectKey::Listed(&files.table, &path).path();
                drop(files.store.objects().delete(&key).await);
            }
        }
    }
}
