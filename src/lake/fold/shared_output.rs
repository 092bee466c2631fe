//! Writes the files that small tables share: table after table, in the order of their keys. A file ends between two
//! tables, so each table lies in one file.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::file::file_form::FileForm;
use crate::delta::file::writer::FileWriter;
use crate::delta::object_key::Partition;
use crate::lake::fold::porter::Porter;
use crate::lake::layout::keys_tag;

/// Decoded bytes of a file that small tables share. About a sixth of that is stored.
pub(super) const FILE_BYTES: usize = 24 << 20;

/// Decoded bytes of a row group in such a file. A reader of one small table reads one or two row groups.
const GROUP_BYTES: usize = 6 << 20;

/// Decoded bytes of a table that still shares a file, at most.
pub(super) const SMALL_TABLE_BYTES: usize = 12 << 20;

/// Writes the rows of small tables.
pub(super) struct SharedOutput {
    porter: Porter,
    files: Arc<DataFiles>,
    form: FileForm,
    /// Decoded bytes after which a file ends with the table.
    file_bytes: usize,
    open: Option<OpenShared>,
    written: Vec<Written>,
}

/// The file that is being written.
struct OpenShared {
    writer: FileWriter,
    bytes: usize,
    keys: BTreeSet<String>,
}

impl SharedOutput {
    /// `expected_bytes` is about the decoded size of all rows: they are divided into files of equal size.
    pub(super) fn new(porter: &Porter, files: &Arc<DataFiles>, expected_bytes: usize) -> Self {
        let form = FileForm {
            row_group_bytes: files.form.row_group_bytes.min(GROUP_BYTES),
            ..files.form.clone()
        };
        Self {
            porter: porter.clone(),
            files: Arc::clone(files),
            form,
            file_bytes: equal_share(expected_bytes),
            open: None,
            written: Vec::new(),
        }
    }

    /// Writes all rows of one table, ordered by id. The keys of tables ascend from call to call.
    pub(super) fn write(&mut self, key: &str, rows: &[RecordBatch]) -> Result<(), DeltaError> {
        for batch in rows.iter().filter(|batch| batch.num_rows() > 0) {
            let bytes = decoded_bytes(batch);
            let open = self.open.get_or_insert_with(|| {
                let bytes_per_row = (bytes / batch.num_rows()).max(1);
                OpenShared {
                    writer: self.form.begin(FILE_BYTES / bytes_per_row, bytes_per_row),
                    bytes: 0,
                    keys: BTreeSet::new(),
                }
            });
            open.writer.write(batch)?;
            open.bytes += bytes;
            if !open.keys.contains(key) {
                open.keys.insert(key.to_owned());
            }
        }
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.bytes >= self.file_bytes)
        {
            self.close()?;
        }
        Ok(())
    }

    /// Closes the last file, and returns all files.
    pub(super) fn finish(mut self) -> Result<Vec<Written>, DeltaError> {
        self.close()?;
        Ok(self.written)
    }

    fn close(&mut self) -> Result<(), DeltaError> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let Some(file) = open.writer.finish()? else {
            return Ok(());
        };
        if let Some(mut written) = self.porter.put(&self.files, file, Partition::Whole)? {
            let keys = open.keys.iter().map(String::as_str);
            written.add.tags.extend([keys_tag(keys)]);
            self.written.push(written);
        }
        Ok(())
    }
}

/// Returns the size at which files end, so that about `expected` bytes become files of equal size.
fn equal_share(expected: usize) -> usize {
    let files = (expected + FILE_BYTES / 2) / FILE_BYTES;
    // A little more, so that the last rows do not begin one more file.
    let share = expected / files.max(1) + FILE_BYTES / 16;
    if files == 0 { FILE_BYTES } else { share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_files_of_equal_size() {
        for (expected, files) in [
            (0, 1),
            (1, 1),
            (1 << 20, 1),
            (30 << 20, 1),
            (40 << 20, 2),
            (100 << 20, 4),
        ] {
            let share = equal_share(expected);
            assert!(share <= FILE_BYTES * 2, "{expected}");
            assert_eq!(expected.div_ceil(share).max(1), files, "{expected}");
        }
    }
}
