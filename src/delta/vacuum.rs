//! Unreferenced data files: files that no version of the table within a grace period names, and files that a killed
//! writer left on a local disk.
//!
//! Four things leave unreferenced files: a writer that did not finish, a writer that lost a race, a replaced file,
//! and a merge. A file that a running writer has just uploaded differs from them only by its age. So the grace period
//! has to be many times the longest write. Files are listed before the log is read, so that a file committed in
//! between is found to be live.
//!
//! Only files of the table are deleted: files that an entry of the log removed, and files with a name as the writer
//! makes them. Whatever else lies in the folder was put there by somebody, and stays: [`Unnamed::foreign`] names it.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::delta::delta_error::DeltaError;
use crate::delta::fault::StoreFault;
use crate::delta::file::data_files::on_cpu;
use crate::delta::object_key::{DataFileName, ObjectKey};
use crate::delta::store::leftovers::{Leftover, leftovers};
use crate::delta::table::Table;
use crate::time::Moment;

/// The files of a table's folder that no version within the grace period names.
#[derive(Default)]
pub(crate) struct Unnamed {
    /// The table's own files, which may be deleted.
    pub(crate) files: Vec<UnnamedFile>,
    /// Files that the table never had, and symbolic links. They stay.
    pub(crate) foreign: Vec<Path>,
}

/// An unreferenced data file.
pub(crate) struct UnnamedFile {
    /// The file's key below the store's root.
    pub(crate) key: Path,
    pub(crate) size: u64,
}

impl Table {
    /// Lists the data files that are older than `before` and that no version since `before` names.
    pub(crate) async fn unnamed_files(&self, before: Moment) -> Result<Unnamed, DeltaError> {
        let folder = self.path().folder();
        let links = self.files.store.links(&folder).await;
        let mut unnamed = Unnamed {
            files: Vec::new(),
            foreign: links.map_err(|fault| self.vacuum_error(fault))?,
        };
        let old = self.old_files(before).await?;
        if old.is_empty() {
            return Ok(unnamed);
        }
        let named = self.named(before).await?;
        for file in old {
            let key = file.location;
            if named.live.contains(&key) || named.recent.contains(&key) {
                continue;
            }
            if named.removed.contains(&key) || DataFileName::is_fresh_form(&key) {
                let size = file.size;
                unnamed.files.push(UnnamedFile { key, size });
            } else {
                unnamed.foreign.push(key);
            }
        }
        Ok(unnamed)
    }

    /// Deletes the data files that only earlier versions name, without a grace: a reader of such a version fails. Keeps
    /// a file that no version names if it was written after `young`, because a running fetch may be about to commit it.
    /// Returns how many files were deleted, and their size in bytes.
    pub(crate) async fn delete_earlier_files(
        &self,
        young: Moment,
    ) -> Result<(u64, u64), DeltaError> {
        let files = self.old_files(Moment::from_millis(i64::MAX)).await?;
        let named = self.named(Moment::from_millis(i64::MAX)).await?;
        let (mut deleted, mut bytes) = (0, 0);
        for file in files {
            let (key, size) = (file.location, file.size);
            let is_young = file.last_modified.timestamp_millis() >= young.as_millis();
            let is_earlier =
                named.removed.contains(&key) || !is_young && DataFileName::is_fresh_form(&key);
            if is_earlier && !named.live.contains(&key) {
                self.delete_unnamed(&UnnamedFile { key, size }).await?;
                deleted += 1;
                bytes += size;
            }
        }
        for left in self.leftovers(young).await? {
            self.delete_leftover(&left)?;
            deleted += 1;
            bytes += left.size;
        }
        Ok((deleted, bytes))
    }

    /// Deletes one unreferenced file. Succeeds also when another process has deleted the file already. A crash leaves
    /// the file to the next vacuum.
    pub(crate) async fn delete_unnamed(&self, file: &UnnamedFile) -> Result<(), DeltaError> {
        let deleted = self.files.store.delete(&file.key).await;
        deleted.map_err(|fault| self.vacuum_error(fault))
    }

    /// Finds the files that killed writers left in the table's folder on a local disk before an instant. Other stores
    /// show no such file.
    pub(crate) async fn leftovers(&self, before: Moment) -> Result<Vec<Leftover>, DeltaError> {
        let Some(folder) = self.files.store.local_folder(self.path().as_str()) else {
            return Ok(Vec::new());
        };
        let found = on_cpu(move || leftovers(&folder, before)).await?;
        found.map_err(|error| self.vacuum_error(StoreFault::from(&error)))
    }

    /// Deletes a file that a killed writer left.
    pub(crate) fn delete_leftover(&self, left: &Leftover) -> Result<(), DeltaError> {
        let deleted = left.delete();
        deleted.map_err(|error| self.vacuum_error(StoreFault::from(&error)))
    }

    async fn old_files(&self, before: Moment) -> Result<Vec<ObjectMeta>, DeltaError> {
        let folder = self.path().folder();
        let is_old = |file: &ObjectMeta| {
            file.last_modified.timestamp_millis() < before.as_millis() && is_data(file, &folder)
        };
        let listed = self.files.store.objects().list(Some(&folder));
        let old = listed.try_filter(|file| std::future::ready(is_old(file)));
        let old = old.try_collect().await;
        old.map_err(|error| self.vacuum_error(error.into()))
    }

    async fn named(&self, after: Moment) -> Result<NamedFiles, DeltaError> {
        let state = self.refreshed().await?;
        let live = self.live(&state).await?;
        let removed = self.log.removed().await?;
        let key = |path: &str| ObjectKey::Listed(self.path(), path).path();
        let recent = removed.iter().filter(|file| file.is_after(after));
        let recent = recent.map(|file| file.path.as_str());
        Ok(NamedFiles {
            live: live.iter().map(|file| key(&file.path)).collect(),
            recent: recent.map(key).collect(),
            removed: removed.iter().map(|file| key(&file.path)).collect(),
        })
    }

    pub(super) fn vacuum_error(&self, source: StoreFault) -> DeltaError {
        DeltaError::Vacuum {
            table: self.path().to_string(),
            source,
        }
    }
}

/// The keys of the files that the log names.
struct NamedFiles {
    live: HashSet<Path>,
    /// Files that were live after an instant: a reader may have started when they were.
    recent: HashSet<Path>,
    /// Every file that the log still remembers to have removed.
    removed: HashSet<Path>,
}

/// Returns whether an object is a data file. Names that begin with an underscore or a dot, such as the log, are not
/// data.
pub(super) fn is_data(file: &ObjectMeta, folder: &Path) -> bool {
    let parts = file.location.prefix_match(folder);
    let hidden =
        parts.is_none_or(|mut parts| parts.any(|part| part.as_ref().starts_with(['_', '.'])));
    !hidden && file.location.extension() == Some("parquet")
}
