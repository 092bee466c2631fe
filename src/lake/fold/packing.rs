//! Puts the files of `current` in order. No row changes.
//!
//! Folds leave small files behind, and files whose keys or ids overlap: new customers come into files of their own, and
//! the files of a first snapshot are taken as they are. A reader then opens more files than it needs. Packing merges
//! such files in the order of integration and id. It rewrites nothing as long as the disorder is small.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::Written;
use crate::delta::log::{Entry, LiveFile, LogState, RemoveFile};
use crate::delta::transact::Proposal;
use crate::ids::IntegrationKey;
use crate::lake::fold::disorder::{Disorder, disorders};
use crate::lake::fold::fold_plan::FoldPlan;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::pending::sorted;
use crate::lake::fold::porter::{Porter, with_porter};
use crate::lake::fold::sequence::{FileRef, IdRange, Sequence};
use crate::lake::fold::settings::FoldSettings;
use crate::lake::fold::shared_output::{FILE_BYTES, SharedOutput};
use crate::lake::fold::sources::{TableReader, chains, least_key};
use crate::lake::fold::task::{Shelves, Task, ValueColumns};
use crate::lake::fold::unit_fold::by_key;
use crate::lake::operation::Operation;
use crate::lake::positions::{Offered, Positions};
use crate::lake::tables::OpenTable;

/// Number of files before and after packing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::lake) struct Packed {
    pub(in crate::lake) files: u64,
    pub(in crate::lake) into: u64,
}

/// Packs the files of a table of `current`. A dry run only counts. Files that a fold replaces meanwhile are left to the
/// next packing.
pub(in crate::lake) async fn pack(
    table: &OpenTable,
    settings: &FoldSettings,
    dry_run: bool,
) -> Result<Packed, DeltaError> {
    let state = table.refreshed().await?;
    let found = disorders(table.live(&state).await?, settings.small_bytes());
    let mut packed = Packed::default();
    for disorder in found {
        let files = disorder.files().to_vec();
        if dry_run {
            packed.files += files.len() as u64;
            continue;
        }
        let shelves = Shelves {
            snapshots: None,
            current: Arc::new(table.files.clone()),
            columns: ValueColumns::of(state.schema()),
            file_bytes: settings.file_bytes,
            small_bytes: settings.small_bytes(),
        };
        let pace = Pace::new(settings.cpu_percent);
        let work = move |porter: &Porter| match disorder {
            Disorder::Keys(files) => in_order_of_keys(porter, pace, &shelves, &files),
            Disorder::Ids(key, files) => in_order_of_ids(porter, pace, &shelves, &key, &files),
        };
        let mut packing = Packing {
            table,
            written: with_porter(work).await??,
            files,
        };
        let state = table.refreshed().await?;
        if table.transact(state, &mut packing).await?.is_some() {
            packed.files += packing.files.len() as u64;
            packed.into += packing.written.len() as u64;
        }
    }
    Ok(packed)
}

/// Files, and the files that replace them.
struct Packing<'a> {
    table: &'a OpenTable,
    files: Vec<Arc<LiveFile>>,
    written: Vec<Written>,
}

impl Proposal for Packing<'_> {
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let live = self.table.live(&state).await?;
        let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
        let mut files = self.files.iter();
        if !files.all(|file| live.contains(file.path.as_str())) {
            return Ok(None);
        }
        let removes = self.files.iter();
        Ok(Some(Entry {
            operation: Operation::Optimize.as_str(),
            rearranges: true,
            adds: self.written.iter().map(|file| file.add.clone()).collect(),
            removes: removes.map(|file| RemoveFile::from(&**file)).collect(),
            txns: Vec::new(),
        }))
    }
}

/// Merges the overlapping files of one integration.
fn in_order_of_ids(
    porter: &Porter,
    mut pace: Pace,
    shelves: &Shelves,
    key: &IntegrationKey,
    files: &[Arc<LiveFile>],
) -> Result<Vec<Written>, DeltaError> {
    let reader = TableReader {
        porter,
        shelves,
        key: key.clone(),
    };
    let (positions, offered) = (Positions::default(), Offered::default());
    let plan = FoldPlan::anew(key, positions, offered, None, None).ok_or(DeltaError::Closed)?;
    let task = Task {
        columns: shelves.columns.clone(),
        plan,
        fetch_id: None,
    };
    let all = IdRange::default();
    let few = reader.few(&mut pace, &task, &shelves.current, chains(files), &all)?;
    let written = reader.merged(&mut pace, &task, &few.place, &few.sources, &all);
    for written in &few.temporary {
        porter.discard(&shelves.current, written);
    }
    written
}

/// Merges files of many integrations. `files` are in the order of their least keys. A file is opened when the merge
/// reaches its least key.
fn in_order_of_keys(
    porter: &Porter,
    mut pace: Pace,
    shelves: &Shelves,
    files: &[Arc<LiveFile>],
) -> Result<Vec<Written>, DeltaError> {
    let mut waiting: VecDeque<&Arc<LiveFile>> = files.iter().collect();
    let mut open: Vec<KeyedRows> = Vec::new();
    let mut output = SharedOutput::new(porter, &shelves.current, FILE_BYTES);
    loop {
        let next = open.iter().filter_map(KeyedRows::key).min();
        let next = next.map(str::to_owned);
        let begins = waiting.front().map(|file| least_key(file));
        if let Some(begins) = begins
            && next.as_deref().is_none_or(|next| begins <= next)
        {
            if let Some(file) = waiting.pop_front() {
                open.extend(KeyedRows::open(porter, shelves, file)?);
            }
            continue;
        }
        let Some(key) = next else { break };
        let mut rows = Vec::new();
        let mut sources = 0;
        for file in &mut open {
            let found = file.take(&key)?;
            sources += usize::from(!found.is_empty());
            rows.extend(found);
        }
        if sources > 1 {
            rows = vec![sorted(&rows)?];
        }
        output.write(&key, &rows)?;
        open.retain(|file| file.key().is_some());
        pace.rest();
    }
    output.finish()
}

/// The rows of a file, by integration.
struct KeyedRows {
    rows: Sequence,
    next: VecDeque<(String, RecordBatch)>,
}

impl KeyedRows {
    /// Opens a file at its first row; `None` when it has no rows.
    fn open(
        porter: &Porter,
        shelves: &Shelves,
        file: &LiveFile,
    ) -> Result<Option<Self>, DeltaError> {
        let files = vec![FileRef::from(file)];
        let rows = Sequence::new(porter, &shelves.current, files, &shelves.columns.schema, "");
        let mut opened = Self {
            rows,
            next: VecDeque::new(),
        };
        opened.refill()?;
        Ok((!opened.next.is_empty()).then_some(opened))
    }

    fn key(&self) -> Option<&str> {
        self.next.front().map(|(key, _)| key.as_str())
    }

    /// Takes the rows of an integration, if they are the next ones.
    fn take(&mut self, key: &str) -> Result<Vec<RecordBatch>, DeltaError> {
        let mut taken = Vec::new();
        while self.key() == Some(key) {
            taken.extend(self.next.pop_front().map(|(_, rows)| rows));
            if self.next.is_empty() {
                self.refill()?;
            }
        }
        Ok(taken)
    }

    fn refill(&mut self) -> Result<(), DeltaError> {
        while self.next.is_empty()
            && let Some(batch) = self.rows.next()
        {
            self.next.extend(by_key(&batch?)?);
        }
        Ok(())
    }
}
