//! Reports how well a lake can be read: its files, their metadata, and what typical queries read.
//!
//! The log has files, sizes and bounds. [`footer`](crate::delta::file::footer) has row groups and pages. [`cost`]
//! computes the bytes that an engine reads when it prunes by all of these ([`queries`]). [`finding`] lists problems
//! with their remedies. Reads only footers and bloom filters, in ranges, and no row.

mod cost;
mod finding;
mod queries;

pub use finding::Finding;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::file::footer::{FIRST_READ, Footer, FooterReader, Reading};
use crate::lake::fold::{FoldSettings, pack};
use crate::lake::form::LAYOUT_KEY;
use crate::lake::layout::LakeTable;
use crate::lake::layout::key_of_file;
use crate::lake::ledgers::{self, LEDGERS};
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, LiveFile, Part, SetAside};

/// Number of footers that are read at the same time.
const READAHEAD: usize = 16;

/// A row group above this size before compression is large (four times our size): a reader reads much for few rows.
const LARGE_GROUP: u64 = 64 << 20;

/// A row group below this size before compression, with fewer than [`FEW_ROWS`] rows, is small when its file has
/// several.
const SMALL_GROUP: u64 = 64 << 10;
const FEW_ROWS: u64 = 1_000;

/// Settings of a lint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintSettings {
    /// Files below this size are small, in bytes.
    pub small_file_bytes: u64,
    /// Number of files per Delta table of which the footer is read. Of more files a sample is read, evenly spread.
    pub footers: usize,
}

impl LintSettings {
    /// Default number of footers per Delta table.
    pub const FOOTERS: NonZeroUsize = NonZeroUsize::new(1_000).expect("not zero");
}

impl Default for LintSettings {
    fn default() -> Self {
        Self {
            small_file_bytes: 1 << 20,
            footers: Self::FOOTERS.get(),
        }
    }
}

/// Result of a lint.
#[derive(Clone, Debug, Default)]
pub struct LintReport {
    /// The Delta tables that have files.
    pub tables: Vec<TableLint>,
    /// Tables with a failed or incomplete check, and why.
    pub failed: Vec<SetAside<String>>,
}

/// Result of a lint of one Delta table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableLint {
    /// Folder of the table.
    pub table: String,
    /// Number of live files.
    pub files: u64,
    /// Size of the live files, in bytes.
    pub bytes: u64,
    /// Number of rows of the live files.
    pub rows: u64,
    /// Number of small files.
    pub small_files: u64,
    /// Number of small files in the partition with most of them; zero if no partition has two.
    pub mergeable_files: u64,
    /// Files without statistics in the log.
    pub without_statistics: u64,
    /// Files with ids that overlap with another file of the same integration; only counted in `current`.
    pub overlapping_files: u64,
    /// Number of files of which the footer was read. The counts below cover these files.
    pub footers: u64,
    /// Files without a page index.
    pub without_page_index: u64,
    /// Files without a bloom filter on `id`.
    pub without_bloom_filter: u64,
    /// Files without a sort order in their metadata.
    pub without_sorting: u64,
    /// Files written by another program.
    pub not_ours: u64,
    /// Number of row groups.
    pub groups: u64,
    /// Row groups that are too large.
    pub large_groups: u64,
    /// Row groups that are too small.
    pub small_groups: u64,
    /// Cost of typical queries.
    pub queries: Vec<QueryCost>,
}

/// A typical query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// One record of one integration, by its id, all columns.
    OneRecord,
    /// One integration, all columns.
    OneIntegration,
    /// The changes of the newest day, all columns.
    OneDay,
}

/// Cost of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryCost {
    /// The query.
    pub query: Query,
    /// Number of queries that were computed. The bytes below are their mean.
    pub samples: u64,
    /// Bytes read by an engine that prunes by log, footer, bloom filter and page index.
    pub bytes: u64,
    /// Bytes read by an engine that reads complete row groups.
    pub bytes_by_groups: u64,
    /// Most files that one of the queries opens.
    pub most_files: u64,
}

/// A file with its footer.
struct ReadFooter {
    file: Arc<LiveFile>,
    footer: Footer,
}

impl Query {
    /// Returns the name for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneRecord => "one_record",
            Self::OneIntegration => "one_integration",
            Self::OneDay => "one_day",
        }
    }
}

/// Checks the tables of these endpoints, and the lake's own tables if `own` is true.
pub(in crate::lake) async fn lint(
    tables: &Tables,
    endpoints: &[Arc<Endpoint>],
    own: bool,
    settings: &LintSettings,
) -> Result<LintReport, LakeError> {
    let mut report = LintReport::default();
    for endpoint in &tables.there(endpoints).await {
        for part in [Part::Snapshots, Part::Deltas, Part::Current] {
            let opened = tables.existing(endpoint, part).await;
            let name = part.of(endpoint.name());
            report.add(&name, opened, settings).await;
        }
    }
    for name in LEDGERS.iter().filter(|_| own) {
        let opened = ledgers::existing(tables, name).await;
        report.add(name, opened, settings).await;
    }
    Ok(report)
}

impl LintReport {
    async fn add(
        &mut self,
        name: &LakeTable,
        opened: Result<Option<OpenTable>, LakeError>,
        settings: &LintSettings,
    ) {
        let mut failed = Vec::new();
        let looked = match opened {
            Ok(None) => return,
            Ok(Some(table)) => look_at(&table, settings, &mut failed).await,
            Err(error) => Err(error),
        };
        match looked {
            Ok(lint) if lint.files == 0 => {}
            Ok(lint) => self.tables.push(lint),
            Err(error) => failed.push(error),
        }
        self.failed.extend(failed.into_iter().map(|error| SetAside {
            member: name.to_string(),
            error,
        }));
    }
}

/// Checks one table. An unreadable file is added to `failed`, and the other files are checked.
async fn look_at(
    table: &OpenTable,
    settings: &LintSettings,
    failed: &mut Vec<LakeError>,
) -> Result<TableLint, LakeError> {
    let state = table.refreshed().await?;
    let files = table.live(&state).await?;
    let mut lint = TableLint {
        table: table.name.to_string(),
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.size).sum(),
        rows: files.iter().filter_map(|file| file.num_records).sum(),
        ..TableLint::default()
    };
    let unknown = files.iter().filter(|file| file.num_records.is_none());
    lint.without_statistics = unknown.count() as u64;
    lint.add_sizes(&files, settings);
    if matches!(table.name, LakeTable::Current(_)) {
        lint.overlapping_files = overlapping(&files);
        lint.mergeable_files = pack(table, &FoldSettings::default(), true).await?.files;
    }
    let footers: Vec<_> = stream::iter(spread(&files, settings.footers))
        .map(|file| read_footer(table, file))
        .buffered(READAHEAD)
        .collect()
        .await;
    let mut known: Vec<ReadFooter> = Vec::with_capacity(footers.len());
    for footer in footers {
        match footer {
            Ok(footer) => known.push(footer),
            Err(error) if error.is_damage() => failed.push(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    for known in &known {
        lint.add_footer(&table.name, known.file.size, &known.footer);
    }
    lint.queries = queries::costs(table, &files, &known).await?;
    Ok(lint)
}

/// Returns up to `wanted` files, evenly spread.
fn spread(files: &[Arc<LiveFile>], wanted: usize) -> Vec<Arc<LiveFile>> {
    let step = files.len().div_ceil(wanted.max(1)).max(1);
    files.iter().step_by(step).cloned().collect()
}

async fn read_footer(table: &OpenTable, file: Arc<LiveFile>) -> Result<ReadFooter, DeltaError> {
    let named = |error| table.files.named(&file.path, error);
    let (mut reader, mut needed) = FooterReader::new(file.size).map_err(named)?;
    loop {
        let bytes = read_ranges(table, &file, &needed).await?;
        match reader.go_on(bytes).map_err(named)? {
            Reading::Needs(ranges) => needed = ranges,
            Reading::Done(footer) => return Ok(ReadFooter { file, footer }),
        }
    }
}

async fn read_ranges(
    table: &OpenTable,
    file: &LiveFile,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>, DeltaError> {
    let mut read = Vec::new();
    for range in ranges {
        read.push(table.files.read_range(&file.path, range.clone()).await?);
    }
    Ok(read)
}

/// Counts files, per integration, with ids that begin before the end of an earlier file.
fn overlapping(files: &[Arc<LiveFile>]) -> u64 {
    let mut ids: BTreeMap<&str, Vec<&(String, String)>> = BTreeMap::new();
    for file in files {
        // Files of several integrations share ids, because an id belongs to its integration.
        if let (Some(bounds), Some(key)) = (&file.bounds.ids, key_of_file(file)) {
            ids.entry(key).or_default().push(bounds);
        }
    }
    let mut overlapping = 0;
    for mut bounds in ids.into_values() {
        bounds.sort();
        let mut end: Option<&str> = None;
        for (least, most) in bounds {
            overlapping += u64::from(end.is_some_and(|end| least.as_str() <= end));
            end = end.max(Some(most.as_str()));
        }
    }
    overlapping
}

impl TableLint {
    fn add_sizes(&mut self, files: &[Arc<LiveFile>], settings: &LintSettings) {
        let mut small: BTreeMap<_, u64> = BTreeMap::new();
        let is_small = |file: &&Arc<LiveFile>| file.size < settings.small_file_bytes;
        for file in files.iter().filter(is_small) {
            self.small_files += 1;
            *small.entry(&file.partition_values).or_default() += 1;
        }
        let most = small.into_values().max().unwrap_or_default();
        self.mergeable_files = if most > 1 { most } else { 0 };
    }

    fn add_footer(&mut self, table: &LakeTable, size: u64, footer: &Footer) {
        self.footers += 1;
        self.not_ours += u64::from(!footer.keys.iter().any(|key| key == LAYOUT_KEY));
        let groups = footer.groups.as_slice();
        self.groups += groups.len() as u64;
        let large = groups
            .iter()
            .filter(|group| group.decoded_bytes > LARGE_GROUP);
        self.large_groups += large.count() as u64;
        // The last group of a file has the remaining rows, so it may be small.
        let others = groups.iter().rev().skip(1);
        let small =
            others.filter(|group| group.decoded_bytes < SMALL_GROUP && group.rows < FEW_ROWS);
        self.small_groups += small.count() as u64;
        let has_records = !matches!(
            table,
            LakeTable::Integrations
                | LakeTable::Coverage
                | LakeTable::Issues
                | LakeTable::Quarantine
                | LakeTable::Holds
        );
        if !has_records {
            return;
        }
        let lacks =
            |has: &dyn Fn(&crate::delta::file::footer::Group) -> bool| !groups.iter().all(has);
        self.without_sorting += u64::from(lacks(&|group| group.is_sorted));
        if size <= FIRST_READ {
            // One read gives the complete file.
            return;
        }
        self.without_bloom_filter += u64::from(lacks(&|group| {
            let id = group.id.map(|at| &group.columns[at]);
            id.is_some_and(|id| id.filter.is_some())
        }));
        self.without_page_index += u64::from(lacks(&|group| {
            let mut columns = group.columns.iter();
            columns.all(|column| !column.pages.is_empty())
        }));
    }
}
