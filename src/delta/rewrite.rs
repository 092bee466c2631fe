//! Rewrites one data file with some of its rows removed or changed.
//!
//! The new file replaces the old one in its partition and keeps its tags. A crash leaves an unreferenced file.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;

use crate::delta::delta_error::{DeltaError, ENCODING};
use crate::delta::exchange::Exchange;
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::file_form::FileForm;
use crate::delta::file::writer::{EncodedFile, read, rewrite};
use crate::delta::log::LiveFile;
use crate::delta::table::Table;

/// Which rows are removed from a file.
pub(crate) struct Sifting<F> {
    /// The columns that the decision needs.
    pub(crate) columns: &'static [&'static str],
    /// The file is rewritten when at least one in `worth` of its rows is removed.
    pub(crate) worth: u64,
    /// Returns which rows of a batch stay. `None` when the columns of the file do not allow a decision; the file then
    /// stays as it is.
    pub(crate) staying: F,
}

impl Table {
    /// Removes rows from a file. Returns how many rows are removed, and the exchange, which has no output in a dry
    /// run. `None` when the file stays as it is.
    pub(crate) async fn sifted<F>(
        &self,
        file: &Arc<LiveFile>,
        sifting: Sifting<F>,
        dry_run: bool,
    ) -> Result<Option<(u64, Exchange)>, DeltaError>
    where
        F: Fn(&RecordBatch) -> Option<BooleanArray> + Send + 'static,
    {
        let form = (!dry_run).then(|| self.files.form.clone());
        let sift = move |bytes| sifting.sift(bytes, form.as_ref());
        self.replaced(file, sift).await
    }

    /// Changes rows of a file. `change` returns a batch with the same number of rows, and how many of the rows
    /// changed. Returns the number of changed rows and the exchange. `None` when no row changed.
    pub(crate) async fn rewritten(
        &self,
        file: &Arc<LiveFile>,
        change: impl Fn(RecordBatch) -> Result<(u64, RecordBatch), DeltaError> + Send + 'static,
    ) -> Result<Option<(u64, Exchange)>, DeltaError> {
        let form = self.files.form.clone();
        let rows = usize::try_from(file.num_records.unwrap_or(1)).unwrap_or(usize::MAX);
        let work = move |bytes| {
            let mut changed = 0;
            let file = rewrite(bytes, rows, None, &form, |batch| {
                let (number, batch) = change(batch)?;
                changed += number;
                Ok(batch)
            });
            Ok(Some((changed, file?)).filter(|_| changed > 0))
        };
        self.replaced(file, work).await
    }

    /// Reads a file, passes its bytes to `work`, and writes the file that `work` returns.
    async fn replaced(
        &self,
        file: &Arc<LiveFile>,
        work: impl FnOnce(Bytes) -> Result<Option<(u64, Option<EncodedFile>)>, DeltaError>
        + Send
        + 'static,
    ) -> Result<Option<(u64, Exchange)>, DeltaError> {
        let bytes = self.files.read(&file.path).await?;
        let made = on_cpu(move || work(bytes)).await?;
        let made = made.map_err(|error| self.files.named(&file.path, error))?;
        let Some((rows, encoded)) = made else {
            return Ok(None);
        };
        let written = self.files.put(encoded, file.partition()).await?;
        let output = written.map(|mut written| {
            written.add.tags = file.tags();
            written.add
        });
        let inputs = vec![Arc::clone(file)];
        Ok(Some((rows, Exchange { inputs, output })))
    }
}

impl<F> Sifting<F>
where
    F: Fn(&RecordBatch) -> Option<BooleanArray>,
{
    /// `form` says how to write the rows that stay. With `None` the rows are only counted.
    fn sift(
        &self,
        file: Bytes,
        form: Option<&FileForm>,
    ) -> Result<Option<(u64, Option<EncodedFile>)>, DeltaError> {
        let (mut rows, mut left) = (0, 0);
        for batch in read(file.clone(), self.columns)? {
            let batch = batch?;
            let Some(staying) = (self.staying)(&batch) else {
                return Ok(None);
            };
            rows += batch.num_rows() as u64;
            left += staying.false_count() as u64;
        }
        if left == rows {
            return Ok(Some((left, None)));
        }
        if left == 0 || left.saturating_mul(self.worth) < rows {
            return Ok(None);
        }
        let Some(form) = form else {
            return Ok(Some((left, None)));
        };
        let kept = usize::try_from(rows - left).unwrap_or(usize::MAX);
        let written = rewrite(file, kept, None, form, |batch| {
            let staying = (self.staying)(&batch).ok_or(ENCODING)?;
            filter_record_batch(&batch, &staying).map_err(|_| ENCODING)
        })?;
        // A row that was counted as staying and was not written would be lost.
        let written = written.filter(|file| file.rows == rows - left);
        Ok(Some((left, Some(written.ok_or(ENCODING)?))))
    }
}
