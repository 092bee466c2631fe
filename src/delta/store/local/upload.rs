//! An upload in parts to the local disk.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::links::failed;
use super::{blocking, put_done};
use crate::delta::store::staged_file::StagedFile;

/// A file that gets its parts in any order. Dropping the upload deletes the file.
#[derive(Debug)]
pub(super) struct LocalUpload {
    /// Empty after the upload has ended.
    file: Arc<Mutex<Option<StagedFile>>>,
    /// Where the next part begins.
    offset: u64,
}

impl LocalUpload {
    pub(super) fn of(file: StagedFile) -> Self {
        Self {
            file: Arc::new(Mutex::new(Some(file))),
            offset: 0,
        }
    }

    /// Takes the file out. A part that is written later fails.
    fn take(&self) -> Result<StagedFile> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.take().ok_or_else(ended)
    }
}

fn ended() -> Error {
    Error::Generic {
        store: "LocalStore",
        source: "the upload has ended".into(),
    }
}

impl MultipartUpload for LocalUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (mut offset, file) = (self.offset, Arc::clone(&self.file));
        self.offset += data.content_length() as u64;
        blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let file = file.as_mut().ok_or_else(ended)?;
            for bytes in &data {
                file.write_at(offset, bytes).map_err(failed)?;
                offset += bytes.len() as u64;
            }
            Ok(())
        })
        .boxed()
    }

    fn complete<'s, 'a>(&'s mut self) -> BoxFuture<'a, Result<PutResult>>
    where
        's: 'a,
        Self: 'a,
    {
        async move {
            let file = self.take()?;
            blocking(move || file.replace().map_err(failed)).await?;
            Ok(put_done())
        }
        .boxed()
    }

    fn abort<'s, 'a>(&'s mut self) -> BoxFuture<'a, Result<()>>
    where
        's: 'a,
        Self: 'a,
    {
        async move { self.take().map(drop) }.boxed()
    }
}
