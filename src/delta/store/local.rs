//! A lake on the local disk.
//!
//! - Files and their folders are synced to disk (fsync) before a put returns. Therefore a log entry never names a data
//!   file that a power cut has removed.
//! - What is new gets the rights of the lake's own folder, and a folder that is made here is private (`staged_file`).
//! - The lake's folder may be a link. Nothing below it is followed: not by reads, writes and deletes (`links`), and not
//!   by listings (`listing`).

mod links;
mod listing;
mod upload;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use url::Url;

use crate::cpu::CpuWork;
use crate::delta::fault::{StoreError, StoreFault};
use crate::delta::store::staged_file::{FileModes, StagedFile, create_folders};
use crate::delta::store::{TableStore, reject_options};
use links::{failed, refuse_links};
use upload::LocalUpload;

/// Opens a lake's folder. Creates the folder when it is missing.
pub(super) fn open(
    path: &FilePath,
    options: &BTreeMap<String, String>,
) -> Result<TableStore, StoreError> {
    reject_options("file", options)?;
    let path = std::path::absolute(path).map_err(folder_error)?;
    create_folders(&path, FileModes::PRIVATE).map_err(folder_error)?;
    over(&path)
}

/// Opens a lake's folder. `None` when nothing is there. Creates nothing.
pub(super) fn open_existing(
    path: &FilePath,
    options: &BTreeMap<String, String>,
) -> Result<Option<TableStore>, StoreError> {
    reject_options("file", options)?;
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(folder_error(error)),
        Ok(_) => over(path).map(Some),
    }
}

/// Creates the missing folders of a path, as [`open`] does, and returns them, the uppermost first.
pub(super) fn created_folders(path: &FilePath) -> Result<Vec<PathBuf>, StoreError> {
    let path = std::path::absolute(path).map_err(folder_error)?;
    create_folders(&path, FileModes::PRIVATE).map_err(folder_error)
}

/// Returns the symbolic links below a folder of a lake.
pub(super) async fn links(root: PathBuf, prefix: Path) -> Result<Vec<Path>> {
    blocking(move || listing::links(root, &prefix)).await
}

fn over(path: &FilePath) -> Result<TableStore, StoreError> {
    let root = path.canonicalize().map_err(folder_error)?;
    let modes = FileModes::as_in(&root).map_err(folder_error)?;
    let files = LocalFileSystem::new_with_prefix(&root).map_err(|error| StoreError::Folder {
        source: error.into(),
    })?;
    // Fails for a file.
    std::fs::read_dir(&root).map_err(folder_error)?;
    let url = Url::from_directory_path(&root).map_err(|()| StoreError::Location)?;
    let files = files.with_fsync(true);
    let store = LocalStore { files, root, modes };
    Ok(TableStore::over(Arc::new(store), url))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` passes the error by value"
)]
fn folder_error(error: io::Error) -> StoreError {
    StoreError::Folder {
        source: StoreFault::from(&error),
    }
}

/// The files of one lake.
#[derive(Debug)]
struct LocalStore {
    files: LocalFileSystem,
    root: PathBuf,
    modes: FileModes,
}

impl LocalStore {
    /// Returns the file that a key stands for. Refuses a key that leads through a link.
    async fn checked(&self, location: &Path) -> Result<PathBuf> {
        let (root, location) = (self.root.clone(), location.clone());
        let file = self.files.path_to_filesystem(&location)?;
        blocking(move || refuse_links(&root, &location)).await?;
        Ok(file)
    }
}

/// Creates a file that is not published yet, with its folders. Another process may remove an empty folder in between.
fn staged(target: &FilePath, modes: FileModes) -> Result<StagedFile> {
    const TRIES: usize = 10;
    for _ in 0..TRIES {
        if let Some(folder) = target.parent() {
            create_folders(folder, modes).map_err(failed)?;
        }
        match StagedFile::fresh(target, modes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            created => return created.map_err(failed),
        }
    }
    Err(failed(io::ErrorKind::NotFound.into()))
}

/// Runs file work on a blocking thread, or at once where no runtime is.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if tokio::runtime::Handle::try_current().is_err() {
        return work();
    }
    let stopped = |stopped| failed(io::Error::other(stopped));
    CpuWork::begin(work).await.map_err(stopped)?
}

/// The answer to a put.
fn put_done() -> PutResult {
    PutResult {
        e_tag: None,
        version: None,
        extensions: object_store::Extensions::default(),
    }
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalStore")
    }
}

// The trait uses `async_trait`. These signatures are the expanded form of its methods.
impl ObjectStore for LocalStore {
    fn put_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> BoxFuture<'a, Result<PutResult>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        async move {
            let (target, modes) = (self.checked(location).await?, self.modes);
            let is_new = match options.mode {
                PutMode::Create => true,
                PutMode::Overwrite => false,
                PutMode::Update(_) => return Err(not_supported("conditional update")),
            };
            blocking(move || {
                let mut file = staged(&target, modes)?;
                for part in &payload {
                    file.write(part).map_err(failed)?;
                }
                let published = if is_new {
                    file.publish_new()
                } else {
                    file.replace()
                };
                published.map_err(failed)
            })
            .await?;
            Ok(put_done())
        }
        .boxed()
    }

    fn put_multipart_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        _options: PutMultipartOptions,
    ) -> BoxFuture<'a, Result<Box<dyn MultipartUpload>>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        async move {
            let (target, modes) = (self.checked(location).await?, self.modes);
            let file = blocking(move || staged(&target, modes)).await?;
            Ok(Box::new(LocalUpload::of(file)) as Box<dyn MultipartUpload>)
        }
        .boxed()
    }

    fn get_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        options: GetOptions,
    ) -> BoxFuture<'a, Result<GetResult>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        async move {
            self.checked(location).await?;
            self.files.get_opts(location, options).await
        }
        .boxed()
    }

    fn get_ranges<'s, 'p, 'r, 'a>(
        &'s self,
        location: &'p Path,
        ranges: &'r [Range<u64>],
    ) -> BoxFuture<'a, Result<Vec<Bytes>>>
    where
        's: 'a,
        'p: 'a,
        'r: 'a,
        Self: 'a,
    {
        async move {
            self.checked(location).await?;
            self.files.get_ranges(location, ranges).await
        }
        .boxed()
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let root = self.root.clone();
        let checked = locations.then(move |location| {
            let root = root.clone();
            async move {
                let location = location?;
                blocking(move || refuse_links(&root, &location).map(|()| location)).await
            }
        });
        self.files.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        listing::files(self.root.clone(), prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        listing::files(self.root.clone(), prefix, Some(offset))
    }

    fn list_with_delimiter<'s, 'p, 'a>(
        &'s self,
        prefix: Option<&'p Path>,
    ) -> BoxFuture<'a, Result<ListResult>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        let (root, prefix) = (self.root.clone(), prefix.cloned());
        blocking(move || listing::level(root, prefix.as_ref())).boxed()
    }

    /// A copy would be a hard link with the rights of the old file. Nothing here copies.
    fn copy_opts<'s, 'f, 't, 'a>(
        &'s self,
        _from: &'f Path,
        _to: &'t Path,
        _options: CopyOptions,
    ) -> BoxFuture<'a, Result<()>>
    where
        's: 'a,
        'f: 'a,
        't: 'a,
        Self: 'a,
    {
        async { Err(not_supported("copy")) }.boxed()
    }
}

fn not_supported(operation: &str) -> Error {
    Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: "LocalStore".to_owned(),
    }
}
