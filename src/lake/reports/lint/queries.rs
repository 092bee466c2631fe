//! Computes what typical queries read of one table.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::footer::{Group, filter_may_hold};
use crate::lake::LiveFile;
use crate::lake::layout::COMMIT_DATE;
use crate::lake::layout::{LakeTable, key_of_file};
use crate::lake::reports::lint::cost::GroupCost;
use crate::lake::reports::lint::{Query, QueryCost, ReadFooter, read_ranges};
use crate::lake::tables::OpenTable;

/// Number of records that are searched.
const SAMPLES: usize = 5;

/// Computes the cost of typical queries: a day of changes for `deltas`; one record and one integration for `snapshots`
/// and `current`.
pub(super) async fn costs(
    table: &OpenTable,
    files: &[Arc<LiveFile>],
    known: &[ReadFooter],
) -> Result<Vec<QueryCost>, DeltaError> {
    match table.name {
        LakeTable::Deltas(_) => Ok(one_day(files).into_iter().collect()),
        LakeTable::Snapshots(_) | LakeTable::Current(_) => {
            let record = one_record(table, known).await?;
            let integration = one_integration(files, known);
            Ok(record.into_iter().chain(integration).collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Returns the cost of the changes of the newest day: all files of its partition.
fn one_day(files: &[Arc<LiveFile>]) -> Option<QueryCost> {
    let day = |file: &LiveFile| {
        let day = file.partition_values.get(COMMIT_DATE);
        day.and_then(Clone::clone)
    };
    let newest = files.iter().filter_map(|file| day(file)).max()?;
    let of_day = files
        .iter()
        .filter(|file| day(file).as_ref() == Some(&newest));
    let sizes: Vec<u64> = of_day.map(|file| file.size).collect();
    Some(whole(Query::OneDay, &sizes))
}

/// Returns the cost of one integration of median size: all files that have rows of it alone, or the footer and a row
/// group of a file that it shares with others.
fn one_integration(files: &[Arc<LiveFile>], known: &[ReadFooter]) -> Option<QueryCost> {
    let mut sizes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for file in files {
        if let Some(key) = key_of_file(file) {
            sizes.entry(key).or_default().push(file.size);
        }
    }
    let mut sizes: Vec<Vec<u64>> = sizes.into_values().collect();
    let shared = known
        .iter()
        .filter(|known| key_of_file(&known.file).is_none());
    sizes.extend(shared.filter_map(|known| {
        let groups = known.footer.groups.iter();
        let bytes = |group: &Group| group.columns.iter().map(|column| column.bytes).sum::<u64>();
        Some(vec![known.footer.bytes + groups.map(bytes).max()?])
    }));
    sizes.sort_by_key(|sizes| sizes.iter().sum::<u64>());
    let middle = sizes.get(sizes.len() / 2)?;
    Some(whole(Query::OneIntegration, middle))
}

fn whole(query: Query, sizes: &[u64]) -> QueryCost {
    QueryCost {
        query,
        samples: 1,
        bytes: sizes.iter().sum(),
        bytes_by_groups: sizes.iter().sum(),
        most_files: sizes.len() as u64,
    }
}

/// Returns the mean cost of a search for one record. The records are spread over the table. Each is searched in the
/// files with a known footer that may have it: the files of its integration, or the one that small integrations share.
async fn one_record(
    table: &OpenTable,
    known: &[ReadFooter],
) -> Result<Option<QueryCost>, DeltaError> {
    let records = records(known);
    let mut total = GroupCost::default();
    let mut most_files = 0;
    for Record { file, id } in &records {
        let may_have = |known: &&ReadFooter| match key_of_file(file) {
            Some(key) => key_of_file(&known.file) == Some(key),
            None => known.file.path == file.path,
        };
        let mut files = 0;
        for known in known.iter().filter(may_have) {
            if let Some(cost) = look_for(table, known, id).await? {
                files += 1;
                total.by_pages += cost.by_pages;
                total.whole += cost.whole;
            }
        }
        most_files = most_files.max(files);
    }
    let samples = records.len() as u64;
    Ok((samples > 0).then(|| QueryCost {
        query: Query::OneRecord,
        samples,
        bytes: total.by_pages / samples,
        bytes_by_groups: total.whole / samples,
        most_files,
    }))
}

/// A record of the table.
struct Record<'a> {
    /// The file that has it.
    file: &'a LiveFile,
    id: String,
}

/// Returns records that exist in the table: first ids of pages or row groups.
fn records(known: &[ReadFooter]) -> Vec<Record<'_>> {
    let groups = known.iter().flat_map(|known| {
        let groups = known.footer.groups.iter();
        groups.map(move |group| (&known.file, group))
    });
    let firsts = groups.filter_map(|(file, group)| {
        let ids = &group.columns[group.id?];
        let page = ids.pages.get(ids.pages.len() / 2);
        let bounds = page.and_then(|page| page.bounds.as_ref());
        // A small file has no page index.
        let (least, _) = bounds.or(ids.bounds.as_ref())?;
        let id = String::from_utf8(least.clone()).ok()?;
        Some(Record { file, id })
    });
    let firsts: Vec<_> = firsts.collect();
    let step = firsts.len().div_ceil(SAMPLES).max(1);
    firsts.into_iter().step_by(step).collect()
}

/// Returns the bytes read of a file for one record; `None` when the log says that the file does not hold the record.
async fn look_for(
    table: &OpenTable,
    known: &ReadFooter,
    id: &str,
) -> Result<Option<GroupCost>, DeltaError> {
    let (file, footer) = (&known.file, &known.footer);
    let ids = file.bounds.ids.as_ref();
    if ids.is_some_and(|(least, most)| !(least.as_str()..=most.as_str()).contains(&id)) {
        return Ok(None);
    }
    let mut cost = GroupCost {
        by_pages: footer.bytes,
        whole: footer.bytes,
    };
    for group in footer.groups.iter().filter(|group| group.may_hold(id)) {
        let filter = group.id.and_then(|at| group.columns[at].filter.clone());
        let mut may_hold = true;
        if let Some(range) = filter {
            let length = range.end - range.start;
            cost.by_pages += length;
            cost.whole += length;
            let read = read_ranges(table, file, &[range]).await?;
            may_hold = read.iter().all(|bytes| filter_may_hold(bytes, id));
        }
        if may_hold {
            let of_group = group.cost(id);
            cost.by_pages += of_group.by_pages;
            cost.whole += of_group.whole;
        }
    }
    Ok(Some(cost))
}
