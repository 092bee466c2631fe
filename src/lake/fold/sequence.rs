//! Reads sorted files one after the other: rows of one integration, ordered by id.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;

use crate::decode::texts;
use crate::delta::delta_error::{DECODING, DeltaError};
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
    form: RowForm,
    within: IdRange,
    open: Option<Open>,
}

/// Which columns of the rows are read.
enum RowForm {
    /// All columns of the table, for rows of an integration.
    Whole(SchemaRef, String),
    /// These columns, as the files have them.
    Narrow(&'static [&'static str]),
}

/// A range of ids. `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IdRange {
    /// The first id.
    pub(super) least: Option<String>,
    /// The first id after the range.
    pub(super) end: Option<String>,
}

impl IdRange {
    /// Returns which of these ascending ids are in the range.
    pub(super) fn rows(&self, ids: &StringArray) -> Range<usize> {
        let first_from = |id: &String| {
            let (mut from, mut to) = (0, ids.len());
            while from < to {
                let middle = usize::midpoint(from, to);
                if ids.value(middle) < id.as_str() {
                    from = middle + 1;
                } else {
                    to = middle;
                }
            }
            from
        };
        let from = self.least.as_ref().map_or(0, first_from);
        let end = self.end.as_ref().map_or(ids.len(), first_from);
        from..end.max(from)
    }

    /// Returns whether any of these ascending ids is in the range.
    pub(super) fn has_any(&self, ids: &StringArray) -> bool {
        !self.rows(ids).is_empty()
    }

    fn meets(&self, opened: &OpenedFile, group: usize) -> bool {
        let least = self.least.as_deref().unwrap_or("");
        // The end itself is not in the range, so this admits a little more.
        let end = self.end.clone().unwrap_or_else(|| char::MAX.to_string());
        opened.may_hold(group, "id", least, &end)
    }
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
            form: RowForm::Whole(Arc::clone(schema), key.to_owned()),
            within: IdRange::default(),
            open: None,
        }
    }

    /// Creates a reader over some columns of files.
    pub(super) fn narrow(
        porter: &Porter,
        files: &Arc<DataFiles>,
        waiting: Vec<FileRef>,
        columns: &'static [&'static str],
    ) -> Self {
        Self {
            porter: porter.clone(),
            files: Arc::clone(files),
            waiting: waiting.into(),
            form: RowForm::Narrow(columns),
            within: IdRange::default(),
            open: None,
        }
    }

    /// Limits the rows to a range of ids. The files have to be sorted by id.
    pub(super) fn within(self, within: IdRange) -> Self {
        Self { within, ..self }
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
                    let batch = match &self.form {
                        RowForm::Whole(schema, key) => conform(&batch?, schema, key)?,
                        RowForm::Narrow(_) => batch?,
                    };
                    if self.within == IdRange::default() {
                        return Ok(Some(batch));
                    }
                    let rows = self.within.rows(texts(&batch, "id").ok_or(DECODING)?);
                    if rows.is_empty() {
                        continue;
                    }
                    return Ok(Some(batch.slice(rows.start, rows.len())));
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
            if !self.within.meets(&open.opened, group) {
                continue;
            }
            let bytes = group_bytes(&self.porter, &self.files, &open.file, &open.opened, group)?;
            open.batches = Some(match &self.form {
                RowForm::Whole(..) => Box::new(open.opened.rows(group, bytes, rows)?),
                RowForm::Narrow(columns) => {
                    Box::new(open.opened.columns(group, bytes, rows, columns)?)
                }
            });
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
