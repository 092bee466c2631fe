//! Finds the hash of the newest observation of given rows, for a delta that may bring nothing new.
//!
//! A row is looked up in the unfolded part of `deltas`, in a live snapshot that is not folded yet, and in `current`.
//! A full fetch is compared with the same sources ([`known_sources`](crate::lake::intake::known_sources)). `current`
//! has no deleted rows, so deleted rows are looked up in `deltas`, as far back as the delta asks. Of each file only
//! the pages are read that may hold one of the ids, up to a byte limit. Rows that cannot be decided within the limit
//! are missing in the answer.
//!
//! A reader of `current` and `deltas` does not see a snapshot before the snapshot is folded. So a row that only such
//! a snapshot shows is not answered, and the next delta writes the row again. Otherwise readers would see a later
//! change without the earlier one.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::catalog::{Endpoint, SystemColumn};
use crate::decode::{RowOp, observed_rows, texts};
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::footer::FIRST_READ;
use crate::delta::file::lookup::{Lookup, LookupStep, WantedIds};
use crate::ids::{IntegrationId, IntegrationKey};
use crate::lake::intake::known_sources::KnownSources;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, LiveFile};
use crate::sink::{HashLookup, NewestHashes};
use crate::time::ObservedAt;

/// The least number of bytes that a read counts for. Many small reads take as long as a large one.
const LEAST_READ: u64 = FIRST_READ;

/// The columns that decide. Files with the integration in their path do not have the key column.
const COLUMNS: &[&str] = &[
    SystemColumn::IntegrationKey.name(),
    SystemColumn::Op.name(),
    SystemColumn::FetchedAt.name(),
    SystemColumn::Hash.name(),
    "id",
];

/// Returns the hash of the newest observation of each given row, as far as reading `most_bytes` bytes finds it.
///
/// The answer is valid only for the watermarks that the table has during this call. A caller that decides by the
/// answer must commit onto these watermarks only.
pub(in crate::lake) async fn newest_hashes(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
    integration: &IntegrationId,
    lookup: &HashLookup,
    most_bytes: u64,
) -> Result<NewestHashes, LakeError> {
    let key = integration.key();
    let known = KnownSources::of(tables, endpoint, &key).await?;
    let Some(history) = known.history else {
        return Ok(NewestHashes::default());
    };
    let mut search = HashSearch {
        key,
        wanted: WantedIds::new(lookup.ids.iter().cloned()),
        left: most_bytes,
        newest: HashMap::new(),
    };
    if !search.beyond_the_fold(&known).await? {
        search.newest.clear();
    } else if !search.folded(&known).await? {
        // Observations found only in `deltas` may be older than observations in files that were not read.
        search.newest.retain(|_, row| row.is_folded);
    } else {
        search.deleted(&known, lookup).await?;
    }
    let bytes = most_bytes - search.left;
    let told = search.newest.into_iter();
    let told = told.filter(|(_, row)| row.op != RowOp::Absent && row.at >= history.since);
    let told = told.filter(|(_, row)| row.shown.is_some_and(|(_, hash)| hash == row.hash));
    let hashes = told.map(|(id, row)| (id, row.hash)).collect();
    Ok(NewestHashes { hashes, bytes })
}

/// The newest observation of a row.
struct NewestHash {
    at: ObservedAt,
    /// The hash. Meaningless for an absent row.
    hash: i64,
    op: RowOp,
    /// Whether the row is in the snapshot or in `current`.
    is_folded: bool,
    /// The newest observation that readers of `current` and `deltas` see: its time and its hash.
    shown: Option<(ObservedAt, i64)>,
}

/// A search through files. Each step returns `false` once the next read would exceed the byte limit.
struct HashSearch {
    key: IntegrationKey,
    wanted: WantedIds,
    /// Number of bytes that may still be read.
    left: u64,
    newest: HashMap<String, NewestHash>,
}

/// Files of one table, and how to use their rows.
#[derive(Clone, Copy)]
struct Files<'a> {
    table: &'a OpenTable,
    /// Rows observed at or before this instant are ignored.
    after: Option<ObservedAt>,
    is_folded: bool,
    /// Whether readers of `current` and `deltas` see these files.
    is_shown: bool,
}

impl HashSearch {
    /// Searches the unfolded files of `deltas`.
    async fn beyond_the_fold(&mut self, known: &KnownSources) -> Result<bool, LakeError> {
        let deltas = Files {
            table: &known.deltas,
            after: known.position,
            is_folded: false,
            is_shown: true,
        };
        self.look_through(deltas, &known.pending).await
    }

    /// Searches the live snapshot and `current`, or the only one of them that is needed.
    async fn folded(&mut self, known: &KnownSources) -> Result<bool, LakeError> {
        for source in &known.sources {
            let folded = Files {
                table: &source.table,
                after: None,
                is_folded: true,
                is_shown: source.is_shown,
            };
            if !self.look_through(folded, &source.files).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Searches for deleted rows. The rows are in no source: their observations are folded, and the newest
    /// observation says that the row is deleted.
    async fn deleted(
        &mut self,
        known: &KnownSources,
        lookup: &HashLookup,
    ) -> Result<(), LakeError> {
        let unseen = lookup
            .ids
            .iter()
            .filter(|id| !self.newest.contains_key(*id));
        let mut rest = Self {
            key: self.key.clone(),
            wanted: WantedIds::new(unseen.cloned()),
            left: self.left,
            newest: HashMap::new(),
        };
        let after_us = lookup.changed_after.as_millis().saturating_mul(1_000);
        let after = Some(ObservedAt::from_micros(after_us));
        if after >= known.position {
            return Ok(());
        }
        let (table, key) = (&known.deltas, self.key.as_str());
        let state = table.refreshed().await?;
        let mut files = table.live_of(&state, key).await?;
        files.retain(|file| file.may_hold(key, after));
        let deltas = Files {
            table,
            after,
            is_folded: false,
            is_shown: true,
        };
        let told = rest.look_through(deltas, &files).await?;
        self.left = rest.left;
        if told {
            // A row that is not deleted would have been found in a source.
            rest.newest.retain(|_, row| row.op == RowOp::Delete);
            self.newest.extend(rest.newest);
        }
        Ok(())
    }

    async fn look_through(
        &mut self,
        of: Files<'_>,
        files: &[Arc<LiveFile>],
    ) -> Result<bool, LakeError> {
        for file in files {
            let bounds = file.bounds.ids.as_ref();
            let within = |(least, most): &(String, String)| {
                let wanted = &self.wanted;
                wanted.any_within(least.as_bytes(), most.as_bytes())
            };
            if bounds.is_none_or(within) && !self.look_into(of, file).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn look_into(&mut self, of: Files<'_>, file: &LiveFile) -> Result<bool, LakeError> {
        let (mut lookup, mut needed) = Lookup::new(file.size, self.wanted.clone(), COLUMNS)?;
        loop {
            let sizes = needed.iter().map(|range| range.end - range.start);
            let cost: u64 = sizes.map(|bytes| bytes.max(LEAST_READ)).sum();
            let Some(left) = self.left.checked_sub(cost) else {
                return Ok(false);
            };
            self.left = left;
            let reads = needed.into_iter();
            let reads = reads.map(|range| of.table.files.read_range(&file.path, range));
            let bytes: Vec<Bytes> = try_join_all(reads).await?;
            let (back, step) = on_cpu(move || {
                let step = lookup.go_on(bytes);
                (lookup, step)
            })
            .await?;
            lookup = back;
            match step? {
                LookupStep::Needs(ranges) => needed = ranges,
                LookupStep::Found(batches) => {
                    for batch in &batches {
                        self.meet(of, batch);
                    }
                    return Ok(true);
                }
            }
        }
    }

    fn meet(&mut self, of: Files<'_>, batch: &RecordBatch) {
        let hashes = batch.column_by_name(SystemColumn::Hash.name());
        let hashes = hashes.expect("every data file has hashes");
        let hashes = hashes.as_primitive::<Int64Type>();
        let keys = texts(batch, SystemColumn::IntegrationKey.name());
        for (row, observed) in observed_rows(batch).enumerate() {
            let is_ours = keys.is_none_or(|keys| keys.value(row) == self.key.as_str());
            if is_ours && Some(observed.at) > of.after {
                let newest = NewestHash {
                    at: observed.at,
                    hash: hashes.value(row),
                    op: observed.op,
                    is_folded: of.is_folded,
                    shown: of.is_shown.then(|| (observed.at, hashes.value(row))),
                };
                self.take(observed.id, newest);
            }
        }
    }

    fn take(&mut self, id: &str, mut seen: NewestHash) {
        if let Some(known) = self.newest.get_mut(id) {
            seen.is_folded |= known.is_folded;
            seen.shown = seen.shown.max(known.shown);
            if seen.at > known.at {
                *known = seen;
            } else {
                (known.is_folded, known.shown) = (seen.is_folded, seen.shown);
            }
        } else {
            self.newest.insert(id.to_owned(), seen);
        }
    }
}
