//! Finds the data files that a table names and that nobody can read, and the data files that no log entry names.
//!
//! One listing of the table's folder shows files that are missing or have another size. Reading the end of a file
//! shows that it is not Parquet. Only reading all rows shows damage within a file.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::delta::delta_error::DeltaError;
use crate::delta::fault::StoreFault;
use crate::delta::file::data_files::{Written, on_cpu};
use crate::delta::file::footer::{FooterReader, Reading};
use crate::delta::file::writer::{read, rewrite};
use crate::delta::log::{DeltaLog, LiveFile, LogMending, LogState, LogSurvey};
use crate::delta::object_key::{ObjectKey, Partition, TablePath};
use crate::delta::store::TableStore;
use crate::delta::table::Table;
use crate::delta::vacuum::is_data;

/// Files whose content is looked at at the same time.
const READAHEAD: usize = 8;

/// A file that the table names and that cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct LostFile {
    /// The file, as the log describes it.
    pub(crate) file: Arc<LiveFile>,
    /// Why it cannot be read.
    pub(crate) error: DeltaError,
}

/// How closely files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closeness {
    /// One listing: is each file there, in its size?
    Listing,
    /// The end of each file, too: is it Parquet?
    Ends,
    /// All rows of each file, too.
    Rows,
}

impl Table {
    /// Looks at a table's log. Writes nothing.
    pub(crate) async fn survey(
        store: &TableStore,
        path: &TablePath,
    ) -> Result<LogSurvey, DeltaError> {
        Ok(DeltaLog::survey(store, path, is_decodable).await?)
    }

    /// Makes a log readable that a survey found damaged.
    pub(crate) async fn mend_log(
        store: &TableStore,
        path: &TablePath,
        found: &LogSurvey,
        mending: &LogMending<'_>,
    ) -> Result<(), DeltaError> {
        Ok(DeltaLog::mend(store, path, found, mending).await?)
    }

    /// Returns the live files of a state that cannot be read.
    ///
    /// # Errors
    /// Fails when the store cannot be read: what cannot be reached is not lost.
    pub(crate) async fn lost_files(
        &self,
        state: &LogState,
        closeness: Closeness,
    ) -> Result<Vec<LostFile>, DeltaError> {
        let live = self.live(state).await?;
        if live.is_empty() {
            return Ok(Vec::new());
        }
        // The log is read before the folder is listed, so a file that is committed in between is not missed.
        let listed = self.listed().await?;
        let sizes: HashMap<&Path, u64> = listed
            .iter()
            .map(|found| (&found.location, found.size))
            .collect();
        let (mut lost, mut there) = (Vec::new(), Vec::new());
        for file in live {
            let key = ObjectKey::Listed(self.path(), &file.path).path();
            match sizes.get(&key) {
                None => {
                    let error = self.files.unreadable(&file.path, no_such_object(&key));
                    lost.push(LostFile { file, error });
                }
                Some(size) if *size != file.size => {
                    let error = self.files.damaged(&file.path);
                    lost.push(LostFile { file, error });
                }
                Some(_) => there.push(file),
            }
        }
        if closeness != Closeness::Listing {
            let looked = stream::iter(there).map(async |file: Arc<LiveFile>| {
                match self.look_into(&file, closeness).await {
                    Err(error) if error.is_damage() => Ok(Some(LostFile { file, error })),
                    looked => looked.map(|()| None),
                }
            });
            let mut looked = looked.buffered(READAHEAD);
            while let Some(found) = looked.try_next().await? {
                lost.extend(found);
            }
        }
        Ok(lost)
    }

    /// Returns the data files on the store that the log does not name: neither as live nor as removed lately.
    pub(crate) async fn orphans(&self, state: &LogState) -> Result<Vec<ObjectMeta>, DeltaError> {
        let mut listed = self.listed().await?;
        let live = self.live(state).await?;
        let removed = self.log.removed().await?;
        let live = live.iter().map(|file| file.path.as_str());
        let named = live.chain(removed.iter().map(|file| file.path.as_str()));
        let key = |path| ObjectKey::Listed(self.path(), path).path();
        let named: std::collections::HashSet<Path> = named.map(key).collect();
        listed.retain(|found| !named.contains(&found.location));
        Ok(listed)
    }

    /// Writes the rows of a file that no entry names to a new file of the table. `change` sees every batch, and may
    /// refuse the file or leave rows out. `None` when no row is left.
    pub(crate) async fn rewritten_orphan(
        &self,
        orphan: &Path,
        partition: Partition,
        change: impl FnMut(RecordBatch) -> Result<RecordBatch, DeltaError> + Send + 'static,
    ) -> Result<Option<Written>, DeltaError> {
        let read = self.files.store.read(orphan).await;
        let path = orphan.to_string();
        let bytes = read.map_err(|fault| self.files.unreadable(&path, fault))?;
        let form = self.files.form.clone();
        let encoded = on_cpu(move || rewrite(bytes, 1, None, &form, change)).await?;
        let encoded = encoded.map_err(|error| self.files.named(&path, error))?;
        self.files.put(encoded, partition).await
    }

    /// Lists the data files below the table's folder, whoever wrote them.
    pub(crate) async fn listed(&self) -> Result<Vec<ObjectMeta>, DeltaError> {
        let folder = self.path().folder();
        let listed = self.files.store.objects().list(Some(&folder));
        let data = listed.try_filter(|file| std::future::ready(is_data(file, &folder)));
        let data = data.try_collect().await;
        data.map_err(|error| self.vacuum_error(error.into()))
    }

    /// Reads the end of a file, or all of it.
    async fn look_into(&self, file: &LiveFile, closeness: Closeness) -> Result<(), DeltaError> {
        let named = |error| self.files.named(&file.path, error);
        if closeness == Closeness::Rows {
            let bytes = self.files.read(&file.path).await?;
            let is_whole = on_cpu(move || is_decodable(bytes)).await?;
            let damaged = || self.files.damaged(&file.path);
            return is_whole.then_some(()).ok_or_else(damaged);
        }
        let (mut reader, mut wanted) = FooterReader::new(file.size).map_err(named)?;
        loop {
            let mut read = Vec::new();
            for range in wanted {
                read.push(self.files.read_range(&file.path, range).await?);
            }
            match reader.go_on(read).map_err(named)? {
                Reading::Needs(more) => wanted = more,
                Reading::Done(_) => return Ok(()),
            }
        }
    }
}

/// Returns whether every row of a Parquet file can be read.
fn is_decodable(bytes: Bytes) -> bool {
    read(bytes, &[]).is_ok_and(|mut batches| batches.all(|batch| batch.is_ok()))
}

fn no_such_object(key: &Path) -> StoreFault {
    StoreFault::from(object_store::Error::NotFound {
        path: key.to_string(),
        source: "not listed".into(),
    })
}
