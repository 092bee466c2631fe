//! Takes the rows of one table's fold, in the order of their ids. Few rows stay in memory, because they go to a file
//! that small tables share. More rows become files of the table, cut to a target size.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::file::writer::FileWriter;
use crate::delta::object_key::Partition;
use crate::lake::fold::porter::Porter;

/// How the rows of a fold are laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputShape {
    /// Expected number of rows.
    pub(super) rows: u64,
    /// Target size of each file, in decoded bytes.
    pub(super) file_bytes: usize,
    /// Decoded bytes up to which the rows stay in memory. Zero for a table with files of its own.
    pub(super) memory_bytes: usize,
}

/// Writes rows to files of about one size, or keeps them.
pub(super) struct Output {
    porter: Porter,
    files: Arc<DataFiles>,
    shape: OutputShape,
    /// The rows so far and their decoded bytes; `None` once rows go to files.
    kept: Option<(Vec<RecordBatch>, usize)>,
    open: Option<(FileWriter, usize)>,
    written: Vec<Written>,
}

/// Where the rows of a fold are.
#[derive(Default)]
pub(super) struct Laid {
    /// Files with rows of this table alone.
    pub(super) written: Vec<Written>,
    /// Rows in memory, when they are few.
    pub(super) kept: Vec<RecordBatch>,
}

impl Output {
    /// Creates an output of this shape.
    pub(super) fn new(porter: &Porter, files: &Arc<DataFiles>, shape: OutputShape) -> Self {
        Self {
            porter: porter.clone(),
            files: Arc::clone(files),
            kept: (shape.memory_bytes > 0).then(Default::default),
            shape,
            open: None,
            written: Vec::new(),
        }
    }

    /// Appends rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), DeltaError> {
        let Some((rows, bytes)) = &mut self.kept else {
            return self.write_to_files(batch);
        };
        rows.push(batch.clone());
        *bytes += decoded_bytes(batch);
        if *bytes > self.shape.memory_bytes {
            let (rows, _) = self.kept.take().unwrap_or_default();
            for batch in rows {
                self.write_to_files(&batch)?;
            }
        }
        Ok(())
    }

    /// Closes the last file. Returns where all rows are.
    pub(super) fn finish(mut self) -> Result<Laid, DeltaError> {
        if let Some((writer, _)) = self.open.take() {
            self.close(writer)?;
        }
        let (kept, _) = self.kept.unwrap_or_default();
        Ok(Laid {
            written: self.written,
            kept,
        })
    }

    fn write_to_files(&mut self, batch: &RecordBatch) -> Result<(), DeltaError> {
        let mut from = 0;
        while from < batch.num_rows() {
            let (mut writer, left) = match self.open.take() {
                Some(open) => open,
                None => self.begin(batch),
            };
            let rows = left.min(batch.num_rows() - from);
            writer.write(&batch.slice(from, rows))?;
            from += rows;
            if rows == left {
                self.close(writer)?;
            } else {
                self.open = Some((writer, left - rows));
            }
        }
        Ok(())
    }

    /// Begins a file. Divides the expected rows into files of about equal size.
    fn begin(&self, batch: &RecordBatch) -> (FileWriter, usize) {
        let OutputShape {
            rows, file_bytes, ..
        } = self.shape;
        let expected_rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let bytes_per_row = (decoded_bytes(batch) / batch.num_rows().max(1)).max(1);
        let total = expected_rows.saturating_mul(bytes_per_row);
        let files = ((total + file_bytes / 2) / file_bytes.max(1)).max(1);
        // A wrong expectation must not lead to files of a few rows.
        let least = (file_bytes / 2 / bytes_per_row).max(1);
        let rows = expected_rows.div_ceil(files).max(least);
        (self.files.form.begin(rows, bytes_per_row), rows)
    }

    fn close(&mut self, writer: FileWriter) -> Result<(), DeltaError> {
        if let Some(file) = writer.finish()? {
            let written = self.porter.put(&self.files, file, Partition::Whole)?;
            self.written.extend(written);
        }
        Ok(())
    }
}

impl Laid {
    /// Adds the rows of the next part of the same table.
    pub(super) fn add(&mut self, next: Self) {
        self.written.extend(next.written);
        self.kept.extend(next.kept);
    }
}
