//! Writes the files of a fold: rows in the order of their ids, cut to a target size.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::file::writer::{FileWriter, decoded_bytes};
use crate::delta::object_key::Partition;
use crate::lake::fold::porter::Porter;

/// Writes rows to files of about one size.
pub(super) struct Output {
    porter: Porter,
    files: Arc<DataFiles>,
    partition: Partition,
    /// Target size of each file, in decoded bytes.
    file_bytes: usize,
    expected_rows: usize,
    open: Option<(FileWriter, usize)>,
    written: Vec<Written>,
}

impl Output {
    /// Creates an output for about `expected_rows` rows, in files of about `file_bytes` decoded bytes.
    pub(super) fn new(
        porter: &Porter,
        files: &Arc<DataFiles>,
        partition: Partition,
        (expected_rows, file_bytes): (u64, usize),
    ) -> Self {
        Self {
            porter: porter.clone(),
            files: Arc::clone(files),
            partition,
            file_bytes,
            expected_rows: usize::try_from(expected_rows).unwrap_or(usize::MAX),
            open: None,
            written: Vec::new(),
        }
    }

    /// Appends rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), DeltaError> {
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

    /// Closes the last file and returns all written files.
    pub(super) fn finish(mut self) -> Result<Vec<Written>, DeltaError> {
        if let Some((writer, _)) = self.open.take() {
            self.close(writer)?;
        }
        Ok(self.written)
    }

    /// Begins a file. Divides the expected rows into files of about equal size.
    fn begin(&self, batch: &RecordBatch) -> (FileWriter, usize) {
        let bytes_per_row = (decoded_bytes(batch) / batch.num_rows().max(1)).max(1);
        let total = self.expected_rows.saturating_mul(bytes_per_row);
        let files = ((total + self.file_bytes / 2) / self.file_bytes.max(1)).max(1);
        // A wrong expectation must not lead to files of a few rows.
        let least = (self.file_bytes / 2 / bytes_per_row).max(1);
        let rows = self.expected_rows.div_ceil(files).max(least);
        (self.files.form.begin(rows, bytes_per_row), rows)
    }

    fn close(&mut self, writer: FileWriter) -> Result<(), DeltaError> {
        if let Some(file) = writer.finish()? {
            let written = self.porter.put(&self.files, file, self.partition.clone())?;
            self.written.extend(written);
        }
        Ok(())
    }
}
