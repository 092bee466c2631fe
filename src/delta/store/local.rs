//! A lake on the local disk.
//!
//! Files and their folders are synced to disk (fsync) before a put returns. Therefore a log entry never names a data
//! file that a power cut has removed.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use url::Url;

use crate::delta::fault::{StoreError, StoreFault};
use crate::delta::store::{TableStore, reject_options};

pub(crate) fn open(
    path: &Path,
    options: &BTreeMap<String, String>,
) -> Result<TableStore, StoreError> {
    reject_options("file", options)?;
    let failed = |error: io::Error| StoreError::Folder {
        source: StoreFault::from(&error),
    };
    let path = std::path::absolute(path).map_err(failed)?;
    create_folders(&path).map_err(failed)?;
    let path = path.canonicalize().map_err(failed)?;
    let url = Url::from_directory_path(&path).map_err(|()| StoreError::Location)?;
    let objects = LocalFileSystem::new_with_prefix(&path)
        .map_err(|error| StoreError::Folder {
            source: error.into(),
        })?
        .with_fsync(true);
    Ok(TableStore::over(Arc::new(objects), url))
}

/// Creates the missing folders of a path, and syncs (fsync) each folder that got a new entry. The store itself syncs
/// only below its root.
fn create_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_folders(parent)?;
        match std::fs::create_dir(path) {
            // Another process created the folder first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            other => other?,
        }
        #[cfg(unix)]
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}
