//! An upload in parts.

use std::sync::Arc;

use futures_util::FutureExt;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, UploadPart};

use crate::depot::Depot;
use crate::store::Boxed;

/// An upload in parts, which becomes an object with its last step.
#[derive(Debug)]
pub(crate) struct Uploading {
    pub(crate) upload: Box<dyn MultipartUpload>,
    pub(crate) depot: Arc<Depot>,
    pub(crate) path: Path,
}

impl MultipartUpload for Uploading {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    fn complete<'s, 'a>(&'s mut self) -> Boxed<'a, PutResult>
    where
        's: 'a,
        Self: 'a,
    {
        async move {
            let put = self.upload.complete().await?;
            self.depot.written(&self.path);
            Ok(put)
        }
        .boxed()
    }

    fn abort<'s, 'a>(&'s mut self) -> Boxed<'a, ()>
    where
        's: 'a,
        Self: 'a,
    {
        self.upload.abort()
    }
}
