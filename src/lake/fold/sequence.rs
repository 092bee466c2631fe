//! Reads sorted files one after the other: rows of one integration, ordered by id.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::DataFiles;
use crate::delta::file::reader::{OpenedFile, Opening};
use crate::lake::conform::conform;
use crate::lake::fold::porter::Porter;

/// Most rows in a batch.
const BATCH_ROWS: u64 = 1_024;

/// Target size of a batch, in decoded bytes.
const BATCH_BYTES: u64 = 2 << 20;

/// Usual ratio of a row's size in memory to its size in a file.
pub(super) const EXPANSION: u64 = 6;

/// A data file to read.
#[derive(Clone, Debug)]
pub(super) struct FileRef {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) rows: u64,
}

/// Batches of a file, decoded on demand.
type Batches = Box<dyn Iterator<Item = Result<RecordBatch, DeltaError>> + Send>;

/// Reads files one after the other, and one row group of a file at a time.
pub(super) struct Sequence {
    porter: Porter,
    files: Arc<DataFiles>,
    waiting: VecDeque<FileRef>,
    schema: SchemaRef,
    key: String,
    open: Option<Open>,
}

struct Open {
    file: FileRef,
    opened: OpenedFile,
    next_group: usize,
    batches: Option<Batches>,
}

impl Sequence {
    /// Creates a reader over files of one integration. Rows are converted to the columns of `schema`.
    pub(super) fn new(
        porter: &Porter,
        files: &Arc<DataFiles>,
        waiting: Vec<FileRef>,
        schema: &SchemaRef,
        key: &str,
    ) -> Self {
        Self {
            porter: porter.clone(),
            files: Arc::clone(files),
            waiting: waiting.into(),
            schema: Arc::clone(schema),
            key: key.to_owned(),
            open: None,
        }
    }

    /// Returns the next batch. An error about the content names the file.
    fn next_named(&mut self) -> Result<Option<RecordBatch>, DeltaError> {
        self.next_batch().map_err(|error| match &self.open {
            Some(open) => self.files.named(&open.file.path, error),
            None => error,
        })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DeltaError> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(file) = self.waiting.pop_front() else {
                    return Ok(None);
                };
                let opened = open(&self.porter, &self.files, &file)?;
                self.open = Some(Open {
                    file,
                    opened,
                    next_group: 0,
                    batches: None,
                });
                continue;
            };
            if let Some(batches) = &mut open.batches {
                if let Some(batch) = batches.next() {
                    return conform(&batch?, &self.schema, &self.key).map(Some);
                }
                // Frees the bytes of this row group before the next group is read.
                open.batches = None;
            }
            if open.next_group == open.opened.groups() {
                self.open = None;
                continue;
            }
            let rows = batch_rows(&open.file);
            let group = open.next_group;
            open.next_group += 1;
            let bytes = group_bytes(&self.porter, &self.files, &open.file, &open.opened, group)?;
            open.batches = Some(Box::new(open.opened.rows(group, bytes, rows)?));
        }
    }
}

impl Iterator for Sequence {
    type Item = Result<RecordBatch, DeltaError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_named().transpose()
    }
}

/// Reads a file's footer.
pub(super) fn open(
    porter: &Porter,
    files: &Arc<DataFiles>,
    file: &FileRef,
) -> Result<OpenedFile, DeltaError> {
    let mut end = OpenedFile::first_read(file.size);
    loop {
        let range = file.size - end..file.size;
        let bytes = porter.read(files, &file.path, range)?;
        let parsed = OpenedFile::parse(file.size, bytes);
        match parsed.map_err(|error| files.named(&file.path, error))? {
            Opening::Opened(opened) => return Ok(opened),
            Opening::NeedsEnd(needed) => end = needed,
        }
    }
}

/// Returns a row group's bytes. Reads them only when they did not come with the footer.
pub(super) fn group_bytes(
    porter: &Porter,
    files: &Arc<DataFiles>,
    file: &FileRef,
    opened: &OpenedFile,
    group: usize,
) -> Result<bytes::Bytes, DeltaError> {
    let range = opened.range(group);
    match opened.held(&range) {
        Some(bytes) => Ok(bytes),
        None => porter.read(files, &file.path, range),
    }
}

/// Returns how many rows of a file to decode at a time.
pub(super) fn batch_rows(file: &FileRef) -> usize {
    let row_bytes = (file.size.saturating_mul(EXPANSION) / file.rows.max(1)).max(1);
    let rows = (BATCH_BYTES / row_bytes).clamp(16, BATCH_ROWS);
    usize::try_from(rows).unwrap_or(16)
}
