//! What the lake's newest observation of some rows is, for a delta that may bring nothing new.
//!
//! A row is looked up in what `deltas` has beyond the fold, in a live snapshot that is not folded yet, and in `current`:
//! the same places that a full fetch is compared with ([`known_sources`](crate::lake::intake::known_sources)). `current` has
//! no deleted rows: those are looked up in `deltas`, as far back as the delta asks. Of each file only the pages are read
//! that may hold one of the ids, up to a bound. Whatever cannot be told within it is left out of the answer.
//!
//! Who reads `current` together with `deltas` does not see a snapshot before its fold. A row that only such a snapshot
//! shows is not told, so the next delta writes it: readers would otherwise see a later change without an earlier one.

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

/// What a read is counted as at least: many small ones take as long as a large one.
const LEAST_READ: u64 = FIRST_READ;

/// The columns that decide. Files whose folder names the integration do not have its key.
const COLUMNS: &[&str] = &[
    SystemColumn::IntegrationKey.name(),
    SystemColumn::Op.name(),
    SystemColumn::FetchedAt.name(),
    SystemColumn::Hash.name(),
    "id",
];

/// Returns what the newest observation of each of these rows is, as far as reading `most_bytes` tells.
///
/// It holds for the watermarks that the table has while this runs: who decides by it commits only onto those.
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
        // What was found in `deltas` alone may be older than what was not read.
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
    /// Of a row that is absent it is none of a record.
    hash: i64,
    op: RowOp,
    /// The row is in the snapshot or in `current`.
    is_folded: bool,
    /// The newest of it that readers of `current` and `deltas` see: when it was observed, and its hash.
    shown: Option<(ObservedAt, i64)>,
}

/// A search through files. Each step returns `false` once the next read would be too much.
struct HashSearch {
    key: IntegrationKey,
    wanted: WantedIds,
    /// Bytes that may still be read.
    left: u64,
    newest: HashMap<String, NewestHash>,
}

/// Files of one table.
#[derive(Clone, Copy)]
struct Files<'a> {
    table: &'a OpenTable,
    /// Rows observed up to this instant say nothing.
    after: Option<ObservedAt>,
    is_folded: bool,
    /// Readers of `current` and `deltas` see them.
    is_shown: bool,
}

impl HashSearch {
    /// Looks into what the fold does not have yet.
    async fn beyond_the_fold(&mut self, known: &KnownSources) -> Result<bool, LakeError> {
        let deltas = Files {
            table: &known.deltas,
            after: known.position,
            is_folded: false,
            is_shown: true,
        };
        self.look_through(deltas, &known.pending).await
    }

    /// Looks into the live snapshot and into `current`, or only into the one of them that there is or that has all.
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

    /// Looks for rows that are nowhere yet: whatever was said of them is folded, and the last of it is that they are gone.
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
        let mut files = table.live(&state).await?;
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
            // A row that is there would have been found before.
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
        let hashes = hashes.expect("every data file has it");
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
