//! One data file written again, with some of its rows gone or changed.
//!
//! What is written takes the file's place in its partition and keeps its tags. A crash leaves a file that nothing names.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;

use crate::delta::delta_error::{DeltaError, ENCODING};
use crate::delta::exchange::Exchange;
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::writer::{EncodedFile, FileForm, read, rewrite};
use crate::delta::log::LiveFile;
use crate::delta::table::Table;

/// Which rows of a file leave it.
pub(crate) struct Sifting<F> {
    /// The columns by which that is told.
    pub(crate) columns: &'static [&'static str],
    /// The file is written again when at least one in so many of its rows leaves it.
    pub(crate) worth: u64,
    /// Returns which rows of a batch stay; `None` for a file of which nobody can tell.
    pub(crate) staying: F,
}

impl Table {
    /// Takes rows out of a file. Returns how many leave it and what takes its place, which is nothing in a dry run; `None`
    /// when the file stays.
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

    /// Changes rows of a file. `change` returns a batch with the same number of rows, and how many of them it has changed.
    /// Returns how many were changed and what takes the file's place; `None` when none was.
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

    /// Reads a file, hands it to what makes another of it, and writes that.
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
            written.add.tags.clone_from(&file.tags);
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
    /// `form` says how to write what stays; `None` only counts.
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
        // Rows that were counted and not written would be lost.
        let written = written.filter(|file| file.rows == rows - left);
        Ok(Some((left, Some(written.ok_or(ENCODING)?))))
    }
}
