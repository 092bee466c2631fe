//! Many small files of one day of `deltas` or `kombo_drift` become one, and no row changes.
//!
//! A commit window makes thousands of files a day. A merge reads some of them, writes their rows sorted to a fresh file
//! and exchanges them in one log entry whose actions say that no data changed. A crash before the entry leaves a file
//! that nothing names; after it the old files are vacuum's.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::delta::file::data_files::{Written, on_cpu};
use crate::delta::file::writer::read;
use crate::delta::log::LiveFile;
use crate::lake::LakeError;
use crate::lake::care::exchange::{EntryForm, Exchange};
use crate::lake::care::merge::merge;
use crate::lake::care::{TableUpkeep, UpkeepSettings};
use crate::lake::layout::COMMIT_DATE;
use crate::lake::layout::of_day;
use crate::lake::tables::OpenTable;
use crate::time::parse_date;

/// Files in one merge.
pub(super) const FAN_IN: usize = 32;

/// Their size: all are held in memory, and so is the file they become.
const MERGE_BYTES: u64 = 64 << 20;

const OPTIMIZE: EntryForm = EntryForm {
    operation: "OPTIMIZE",
    rearranges: true,
};

/// Merges what is worth it. A file that cannot be read stays as it is and is told; the others of its day are merged.
pub(in crate::lake) async fn run(
    table: &OpenTable,
    settings: &UpkeepSettings,
    done: &mut TableUpkeep,
    failed: &mut Vec<LakeError>,
) -> Result<(), LakeError> {
    let state = table.refreshed().await?;
    for (day, files) in worth_merging(table.live(&state).await?, settings) {
        if settings.dry_run {
            done.merged_files += files.len() as u64;
            continue;
        }
        if let Some(merged) = readable_merged(table, day, files, failed).await?
            && exchange(table, &merged).await?
        {
            done.merged_files += merged.inputs.len() as u64;
            done.merged_into += 1;
        }
    }
    Ok(())
}

/// Merges those files of a group that can be read.
async fn readable_merged(
    table: &OpenTable,
    day: i32,
    mut files: Vec<Arc<LiveFile>>,
    failed: &mut Vec<LakeError>,
) -> Result<Option<MergedFile>, LakeError> {
    while files.len() > 1 {
        match merged_file(table, day, &files).await {
            Err(error) if error.is_damage() => {
                files.retain(|file| error.file() != Some(file.path.as_str()));
                failed.push(error);
            }
            merged => return merged,
        }
    }
    Ok(None)
}

/// Files, and the one that holds their rows.
pub(in crate::lake) struct MergedFile {
    inputs: Vec<Arc<LiveFile>>,
    written: Written,
}

/// Groups small files by day, the smallest first. Each group is one merge.
pub(in crate::lake) fn worth_merging(
    live: Vec<Arc<LiveFile>>,
    settings: &UpkeepSettings,
) -> Vec<(i32, Vec<Arc<LiveFile>>)> {
    if settings.compact_files == 0 {
        return Vec::new();
    }
    let mut days: BTreeMap<i32, Vec<Arc<LiveFile>>> = BTreeMap::new();
    for file in live {
        let day = file.partition_values.get(COMMIT_DATE);
        let day = day.and_then(|day| parse_date(day.as_deref()?));
        if let Some(day) = day.filter(|_| file.size < settings.small_file_bytes) {
            days.entry(day).or_default().push(file);
        }
    }
    let mut groups = Vec::new();
    for (day, mut files) in days {
        files.sort_by_key(|file| file.size);
        let (mut group, mut bytes) = (Vec::new(), 0);
        for file in files {
            if group.len() == FAN_IN || bytes + file.size > MERGE_BYTES {
                groups.push((day, std::mem::take(&mut group)));
                bytes = 0;
            }
            bytes += file.size;
            group.push(file);
        }
        groups.push((day, group));
    }
    groups.retain(|(_, group)| group.len() >= settings.compact_files);
    groups
}

/// Writes the rows of those files that have the same columns; `None` when that is not worth it.
pub(in crate::lake) async fn merged_file(
    table: &OpenTable,
    day: i32,
    files: &[Arc<LiveFile>],
) -> Result<Option<MergedFile>, LakeError> {
    let mut contents = Vec::new();
    for file in files {
        contents.push(table.files.read(&file.path).await?);
    }
    let form = table.files.form.clone();
    let rows = files.iter().filter_map(|file| file.num_records).sum();
    let work = move || {
        let merged = merge(contents.clone(), rows, &form);
        merged.map_err(|error| (contents.iter().position(is_damaged), error))
    };
    let merged = on_cpu(work)
        .await?
        .map_err(|(damaged, error)| match damaged {
            Some(at) => table.files.named(&files[at].path, error),
            None => error,
        })?;
    let Some(merged) = merged else {
        return Ok(None);
    };
    let inputs: Vec<_> = merged
        .inputs
        .iter()
        .map(|input| Arc::clone(&files[*input]))
        .collect();
    let partition = of_day(day);
    let written = table.files.put(Some(merged.file), partition).await?;
    Ok(written.map(|written| MergedFile { inputs, written }))
}

fn is_damaged(file: &Bytes) -> bool {
    let mut rows = match read(file.clone(), &[]) {
        Ok(rows) => rows,
        Err(error) => return error.is_decoding(),
    };
    rows.any(|batch| batch.is_err())
}

/// Puts the one file in the place of the many, in one entry. `false` when some of the many are gone: another process has
/// merged or deleted them, and their rows must not come back.
pub(in crate::lake) async fn exchange(
    table: &OpenTable,
    merged: &MergedFile,
) -> Result<bool, LakeError> {
    let exchanges = [Exchange {
        inputs: merged.inputs.clone(),
        output: Some(merged.written.add.clone()),
    }];
    let stood =
        crate::lake::care::exchange::exchange(table, OPTIMIZE, &exchanges, |_| Vec::new()).await?;
    Ok(!stood.is_empty())
}
