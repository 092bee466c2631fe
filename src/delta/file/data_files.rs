//! Writes the data files of one Delta table to the store, and reads them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use object_store::{ObjectStoreExt, WriteMultipart};

use crate::cpu::CpuWork;
use crate::delta::delta_error::DeltaError;
use crate::delta::fault::StoreFault;
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::file::file_form::FileForm;
use crate::delta::file::reader::{OpenedFile, Opening};
use crate::delta::file::writer::{EncodedFile, READ_ROWS, encode_without};
use crate::delta::log::AddFile;
use crate::delta::object_key::{DataFileName, ObjectKey, Partition, TablePath};
use crate::delta::store::TableStore;
use crate::time::Clock;

/// Larger files are uploaded in parts, each of this many bytes.
const PART_BYTES: usize = 8 << 20;

/// Files that are looked for at the same time.
const CHECKED_AT_ONCE: usize = 16;

/// Writes and reads the data files of one Delta table.
#[derive(Clone)]
pub(crate) struct DataFiles {
    pub(crate) store: TableStore,
    pub(crate) table: TablePath,
    pub(crate) form: FileForm,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A file that is on the store, and that no log entry names yet.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The add action for a log entry.
    pub(crate) add: AddFile,
    /// Number of rows in the file.
    pub(crate) rows: u64,
}

impl DataFiles {
    /// Encodes rows in the table's form and uploads them as a new file. `None` when there are no rows.
    pub(crate) async fn write<F>(
        &self,
        encode: F,
        partition: Partition,
    ) -> Result<Option<Written>, DeltaError>
    where
        F: FnOnce(&FileForm) -> Result<Option<EncodedFile>, DeltaError> + Send + 'static,
    {
        let form = self.form.clone();
        let file = on_cpu(move || encode(&form)).await??;
        self.put(file, partition).await
    }

    /// Writes a batch to a new file, in the batch's order. `None` when the batch has no rows.
    pub(crate) async fn write_batch(
        &self,
        batch: RecordBatch,
        partition: Partition,
    ) -> Result<Option<Written>, DeltaError> {
        let encode = move |form: &FileForm| {
            let rows = batch.num_rows();
            let mut file = form.begin(rows, decoded_bytes(&batch) / rows.max(1));
            file.write(&batch)?;
            file.finish()
        };
        self.write(encode, partition).await
    }

    /// Writes a file again without the rows at the positions `losers`. `None` when no row is left.
    pub(crate) async fn write_without(
        &self,
        written: &Written,
        losers: Vec<usize>,
        bytes_per_row: usize,
        partition: Partition,
    ) -> Result<Option<Written>, DeltaError> {
        if losers.len() as u64 == written.rows {
            return Ok(None);
        }
        let old = self.read(&written.add.path).await?;
        let rows = usize::try_from(written.rows).unwrap_or(usize::MAX);
        let encode = move |form: &FileForm| encode_without(old, rows, &losers, form, bytes_per_row);
        self.write(encode, partition).await
    }

    /// Reads a complete file, by its path below the table's folder.
    pub(crate) async fn read(&self, path: &str) -> Result<Bytes, DeltaError> {
        let key = ObjectKey::Listed(&self.table, path).path();
        let read = self.store.read(&key).await;
        read.map_err(|fault| self.unreadable(path, fault))
    }

    /// Reads a part of a file, by its path below the table's folder.
    pub(crate) async fn read_range(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> Result<Bytes, DeltaError> {
        let key = ObjectKey::Listed(&self.table, path).path();
        let until = range.end;
        match self.store.objects().get_range(&key, range).await {
            Ok(bytes) => Ok(bytes),
            // A store refuses a range beyond the end of an object as it refuses any bad request.
            Err(error) => match self.store.objects().head(&key).await {
                Ok(found) if found.size < until => Err(self.damaged(path)),
                _ => Err(self.unreadable(path, error.into())),
            },
        }
    }

    /// Reads the row groups of a file that may have a value in a text column, and the columns `columns` of them. Other
    /// parts of the file are not read.
    pub(crate) async fn read_where(
        &self,
        path: &str,
        size: u64,
        (column, value): (&str, &str),
        columns: &[&str],
    ) -> Result<Vec<RecordBatch>, DeltaError> {
        let named = |error| self.named(path, error);
        let mut end = OpenedFile::first_read(size);
        let opened = loop {
            let bytes = self.read_range(path, size - end..size).await?;
            match OpenedFile::parse(size, bytes).map_err(named)? {
                Opening::Opened(opened) => break opened,
                Opening::NeedsEnd(needed) => end = needed,
            }
        };
        let mut found = Vec::new();
        for group in 0..opened.groups() {
            if !opened.may_hold(group, column, value, value) {
                continue;
            }
            let range = opened.range(group);
            let bytes = match opened.held(&range) {
                Some(bytes) => bytes,
                None => self.read_range(path, range).await?,
            };
            let rows = opened.columns(group, bytes, READ_ROWS, columns);
            for batch in rows.map_err(named)? {
                found.push(batch.map_err(named)?);
            }
        }
        Ok(found)
    }

    /// Adds the file's name to an error about its content.
    pub(crate) fn named(&self, path: &str, error: DeltaError) -> DeltaError {
        if !error.is_decoding() {
            return error;
        }
        self.damaged(path)
    }

    /// Makes the error for a file whose content is not what was written.
    pub(crate) fn damaged(&self, path: &str) -> DeltaError {
        DeltaError::DamagedFile {
            table: self.table.to_string(),
            path: path.to_owned(),
        }
    }

    /// Makes the error for a file that the store does not give.
    pub(crate) fn unreadable(&self, path: &str, source: StoreFault) -> DeltaError {
        DeltaError::Download {
            table: self.table.to_string(),
            path: path.to_owned(),
            source,
        }
    }

    /// Uploads a file under a new name. A crash on any line leaves a file that no log entry names, so nobody reads
    /// the file. Vacuum deletes completely uploaded files. Parts of an unfinished multipart upload are left to the
    /// bucket's lifecycle rule.
    pub(crate) async fn put(
        &self,
        file: Option<EncodedFile>,
        partition: Partition,
    ) -> Result<Option<Written>, DeltaError> {
        let Some(file) = file else { return Ok(None) };
        let failed = |source: object_store::Error| DeltaError::Upload {
            table: self.table.to_string(),
            source: source.into(),
        };
        let name = DataFileName::fresh(partition);
        let key = ObjectKey::Data(&self.table, &name).path();
        let (objects, size) = (self.store.objects(), file.bytes.len() as u64);
        if file.bytes.len() <= PART_BYTES {
            let put = objects.put(&key, file.bytes.into()).await;
            put.map_err(failed)?;
        } else {
            let upload = objects.put_multipart(&key).await.map_err(failed)?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            parts.put(file.bytes);
            parts.finish().await.map_err(failed)?;
        }
        Ok(Some(Written {
            add: AddFile {
                path: name.path(),
                partition_values: name
                    .partition_value()
                    .map(|(column, value)| (column.to_owned(), value.to_owned()))
                    .into_iter()
                    .collect(),
                size,
                modified_at: self.clock.now(),
                stats: file.stats,
                tags: BTreeMap::new(),
            },
            rows: file.rows,
        }))
    }
}

impl DataFiles {
    /// Fails unless the store has each of these files, complete. One request per file, several at a time.
    pub(crate) async fn must_have(&self, files: &[AddFile]) -> Result<(), DeltaError> {
        stream::iter(files.iter().map(Ok))
            .try_for_each_concurrent(CHECKED_AT_ONCE, async |file| {
                let key = ObjectKey::Listed(&self.table, &file.path).path();
                let found = self.store.objects().head(&key).await;
                let source = match found.map_err(StoreFault::from) {
                    Ok(found) if found.size == file.size => return Ok(()),
                    Err(fault) if !fault.is_not_found() => fault,
                    _ => StoreFault::lost(),
                };
                Err(DeltaError::Upload {
                    table: self.table.to_string(),
                    source,
                })
            })
            .await
    }
}

/// Runs CPU-bound work on a blocking thread, where the work does not delay requests.
pub(crate) async fn on_cpu<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DeltaError> {
    CpuWork::begin(work).await.map_err(|_| DeltaError::Closed)
}
