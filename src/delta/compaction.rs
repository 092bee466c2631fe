//! Merges many small files of one partition into one file. No row changes.
//!
//! A merge reads some files, writes their rows sorted to a new file and exchanges the files in one log entry. The
//! actions of that entry say that no data changed. A crash before the entry leaves an unreferenced file. A crash
//! after the entry leaves the replaced files. Vacuum deletes both.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::delta::delta_error::DeltaError;
use crate::delta::exchange::Exchange;
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::writer::read;
use crate::delta::log::LiveFile;
use crate::delta::merge::merge;
use crate::delta::object_key::Partition;
use crate::delta::table::Table;

/// Files in one merge, at most.
pub(crate) const FAN_IN: usize = 32;

/// Bytes of the files in one merge, at most. All of them are held in memory, and so is the file that they become.
const MERGE_BYTES: u64 = 64 << 20;

/// Which small files are worth merging.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compaction {
    /// The least number of small files in one partition that are merged. Zero turns merging off.
    pub(crate) least_files: usize,
    /// A file below this size, in bytes, is small.
    pub(crate) small_bytes: u64,
}

impl Compaction {
    /// Groups small files by partition, the smallest first. Each group is one merge.
    pub(crate) fn groups(self, live: Vec<Arc<LiveFile>>) -> Vec<Vec<Arc<LiveFile>>> {
        if self.least_files == 0 {
            return Vec::new();
        }
        let mut partitions: BTreeMap<Partition, Vec<Arc<LiveFile>>> = BTreeMap::new();
        for file in live {
            let partition = file.partition();
            if file.size < self.small_bytes {
                partitions.entry(partition).or_default().push(file);
            }
        }
        let mut groups = Vec::new();
        for mut files in partitions.into_values() {
            files.sort_by_key(|file| file.size);
            let (mut group, mut bytes) = (Vec::new(), 0);
            for file in files {
                if group.len() == FAN_IN || bytes + file.size > MERGE_BYTES {
                    groups.push(std::mem::take(&mut group));
                    bytes = 0;
                }
                bytes += file.size;
                group.push(file);
            }
            groups.push(group);
        }
        groups.retain(|group| group.len() >= self.least_files);
        groups
    }
}

impl Table {
    /// Merges the readable files of a group. An unreadable file stays as it is, and its error is added to `failed`.
    pub(crate) async fn merged_readable(
        &self,
        mut files: Vec<Arc<LiveFile>>,
        failed: &mut Vec<DeltaError>,
    ) -> Result<Option<Exchange>, DeltaError> {
        while files.len() > 1 {
            match self.merged(&files).await {
                Err(error) if error.is_damage() => {
                    files.retain(|file| error.file() != Some(file.path.as_str()));
                    failed.push(error);
                }
                merged => return merged,
            }
        }
        Ok(None)
    }

    /// Writes the rows of the files that have the same columns to one file. `None` when fewer than two such files are
    /// left.
    async fn merged(&self, files: &[Arc<LiveFile>]) -> Result<Option<Exchange>, DeltaError> {
        let mut contents = Vec::new();
        for file in files {
            contents.push(self.files.read(&file.path).await?);
        }
        let (form, order) = (self.files.form.clone(), self.state().bounded());
        let rows = files.iter().filter_map(|file| file.num_records).sum();
        let work = move || {
            let merged = merge(contents.clone(), rows, &form, order);
            merged.map_err(|error| (contents.iter().position(is_damaged), error))
        };
        let merged = on_cpu(work)
            .await?
            .map_err(|(damaged, error)| match damaged {
                Some(at) => self.files.named(&files[at].path, error),
                None => error,
            })?;
        let Some(merged) = merged else {
            return Ok(None);
        };
        let inputs = merged.inputs.iter().map(|input| Arc::clone(&files[*input]));
        let inputs: Vec<_> = inputs.collect();
        let partition = inputs[0].partition();
        let written = self.files.put(Some(merged.file), partition).await?;
        let output = written.map(|written| written.add);
        Ok(output.is_some().then_some(Exchange { inputs, output }))
    }
}

fn is_damaged(file: &Bytes) -> bool {
    match read(file.clone(), &[]) {
        Ok(mut rows) => rows.any(|batch| batch.is_err()),
        Err(error) => error.is_decoding(),
    }
}
