//! `kombo_quarantine`: rows of Kombo without a usable id. Such rows cannot be stored as records.
//!
//! The quarantine is bounded, whatever Kombo sends: a day has a limit for each table and one for the lake. Rows beyond
//! a limit are counted like all others, but not kept. How much of a table was kept on a day is in a transaction of the
//! log, in the entry that adds the rows. Upkeep removes rows after the retention of `deltas`, and merges small files.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use serde::Serialize;
use tracing::warn;

use crate::decode::QuarantinedRow;
use crate::delta::delta_error::DeltaError;
use crate::delta::log::{Entry, LogState};
use crate::delta::object_key::Partition;
use crate::delta::rows::to_batch;
use crate::delta::transact::Proposal;
use crate::fetch::Fetch;
use crate::lake::LakeError;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::fields::{text_field, time_field};
use crate::lake::operation::Operation;
use crate::lake::tables::Tables;
use crate::lake::txn_name::{TxnName, is_quarantined};

/// Rows and bytes of one table that are kept on one day.
const OF_A_TABLE: (u64, u64) = (1_000, 4 << 20);

/// Rows and bytes of all tables together that are kept on one day.
const OF_THE_LAKE: (u64, u64) = (50_000, 64 << 20);

/// Commits rows to the quarantine, as far as the limits of the day allow. After a crash before the fetch itself is
/// committed, the rows stay there. The next fetch stores them again, under its own `_fetch_id`.
pub(in crate::lake) async fn commit(
    tables: &Tables,
    fetch: &Fetch,
    mut rows: Vec<QuarantinedRow>,
) -> Result<(), LakeError> {
    let table = tables.open(&LakeTable::Quarantine, &schema()).await?;
    let state = table.refreshed().await?;
    let name = fetch.table.endpoint.table_name();
    let app_id = TxnName::Quarantined(&name).app_id(&fetch.table.integration.key());
    let today = KeptOfDay::new(table.today());
    let before = today.read(state.txn(&app_id));
    if before.is_full {
        return Ok(());
    }
    let sent = rows.len();
    let added = today.taken(&mut rows, before, today.of_the_lake(&state));
    if added.is_full {
        warn!(
            integration.id = %fetch.table.integration, endpoint = %fetch.table.endpoint, kept = rows.len(), sent,
            "so many rows of {} have no usable id that kombo_quarantine keeps no more of them today; they are counted",
            fetch.table.endpoint
        );
    }
    let batch = batch(fetch, &rows)?;
    let written = table.files.write_batch(batch, Partition::Whole).await?;
    let entry = Entry {
        operation: Operation::Append.as_str(),
        adds: written.into_iter().map(|file| file.add).collect(),
        ..Entry::default()
    };
    let mut kept = Kept {
        entry,
        app_id,
        added,
    };
    table.transact(state, &mut kept).await?;
    Ok(())
}

/// Rows to add. No commit of another writer can contradict them. Writers that commit at the same time may exceed a
/// limit by the rows of one commit.
struct Kept {
    entry: Entry,
    app_id: String,
    added: KeptOfDay,
}

impl Proposal for Kept {
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let before = self.added.read(state.txn(&self.app_id));
        let txns = vec![(self.app_id.clone(), before.plus(self.added).stored())];
        Ok(Some(Entry {
            txns,
            ..self.entry.clone()
        }))
    }
}

/// How much of one table was kept on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeptOfDay {
    /// Days since the epoch.
    day: i64,
    rows: u64,
    bytes: u64,
    /// A row was not kept. From then on no row of the table is kept on that day.
    is_full: bool,
}

/// The lengths in bits of the numbers in a transaction: rows, kibibytes, and whether the limit was reached.
const ROWS_BITS: u32 = 20;
const KIB_BITS: u32 = 20;

impl KeptOfDay {
    fn new(day: i32) -> Self {
        Self {
            day: i64::from(day),
            rows: 0,
            bytes: 0,
            is_full: false,
        }
    }

    /// Returns what a transaction says about this day. The transaction of an earlier day says nothing.
    fn read(self, stored: Option<i64>) -> Self {
        let stored = u64::try_from(stored.unwrap_or_default()).unwrap_or_default();
        let part = |from: u32, bits: u32| (stored >> from) & ((1 << bits) - 1);
        let day = stored >> (1 + ROWS_BITS + KIB_BITS);
        if i64::try_from(day) != Ok(self.day) {
            return Self::new(i32::try_from(self.day).unwrap_or_default());
        }
        Self {
            day: self.day,
            rows: part(1 + KIB_BITS, ROWS_BITS),
            bytes: part(1, KIB_BITS) << 10,
            is_full: part(0, 1) == 1,
        }
    }

    /// Returns the number for the transaction.
    fn stored(self) -> i64 {
        let cut = |value: u64, bits: u32| value.min((1 << bits) - 1);
        let day = u64::try_from(self.day).unwrap_or_default();
        let rows = cut(self.rows, ROWS_BITS);
        let kib = cut(self.bytes.div_ceil(1 << 10), KIB_BITS);
        let number = ((day << ROWS_BITS | rows) << KIB_BITS | kib) << 1 | u64::from(self.is_full);
        i64::try_from(number).unwrap_or(i64::MAX)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            day: self.day,
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
            is_full: self.is_full || other.is_full,
        }
    }

    /// Returns how much of all tables together was kept on this day.
    fn of_the_lake(self, state: &LogState) -> Self {
        let all = state.txns().filter(|(app_id, _)| is_quarantined(app_id));
        all.map(|(_, stored)| self.read(Some(stored)))
            .fold(self, Self::plus)
    }

    /// Removes the rows that are not kept, and returns what is kept of them.
    fn taken(self, rows: &mut Vec<QuarantinedRow>, of_table: Self, of_lake: Self) -> Self {
        let mut taken = self;
        rows.retain(|row| {
            let bytes = row.raw.len() as u64;
            let fits = |known: Self, (most_rows, most_bytes): (u64, u64)| {
                known.rows + taken.rows < most_rows
                    && known.bytes + taken.bytes + bytes <= most_bytes
            };
            if taken.is_full || !fits(of_table, OF_A_TABLE) || !fits(of_lake, OF_THE_LAKE) {
                taken.is_full = true;
                return false;
            }
            taken.rows += 1;
            taken.bytes += bytes;
            true
        });
        taken
    }
}

/// Returns the columns of `kombo_quarantine`.
pub(in crate::lake) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text_field("integration_key"),
        text_field("_integration_id"),
        text_field("endpoint"),
        time_field("_fetched_at", false),
        text_field("_fetch_id"),
        text_field("reason"),
        text_field("row"),
    ]))
}

/// A row as stored.
#[derive(Serialize)]
struct QuarantineRecord<'a> {
    /// The key of the integration, for joins.
    integration_key: &'a str,
    /// The id of the integration.
    #[serde(rename = "_integration_id")]
    integration: &'a str,
    /// The endpoint, such as `ats/applications`.
    endpoint: &'a str,
    /// When Kombo sent the row, in microseconds since the epoch.
    #[serde(rename = "_fetched_at")]
    fetched_at_us: i64,
    /// The fetch that brought the row.
    #[serde(rename = "_fetch_id")]
    fetch_id: &'a str,
    /// Why the row has no usable id.
    reason: &'a str,
    /// The row as Kombo sent it, as JSON text.
    row: &'a str,
}

fn batch(fetch: &Fetch, rows: &[QuarantinedRow]) -> Result<RecordBatch, DeltaError> {
    let (table, key) = (&fetch.table, fetch.table.integration.key());
    let records = rows.iter().map(|row| QuarantineRecord {
        integration_key: key.as_str(),
        integration: table.integration.as_str(),
        endpoint: table.endpoint.as_str(),
        fetched_at_us: row.observed_at.as_micros(),
        fetch_id: fetch.id.as_str(),
        reason: row.reason,
        row: &row.raw,
    });
    to_batch(&schema(), &records.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ObservedAt;

    const TODAY: i32 = 20_000;

    fn rows(count: usize, bytes: usize) -> Vec<QuarantinedRow> {
        let row = |_| QuarantinedRow {
            reason: "no usable id",
            raw: "x".repeat(bytes),
            observed_at: ObservedAt::from_micros(1),
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn the_number_of_a_transaction_comes_back_on_its_day_only() {
        let kept = KeptOfDay {
            rows: 900,
            bytes: 3 << 20,
            is_full: true,
            ..KeptOfDay::new(TODAY)
        };
        let read = |day: i32| KeptOfDay::new(day).read(Some(kept.stored()));
        assert_eq!(read(TODAY), kept);
        assert_eq!(read(TODAY + 1), KeptOfDay::new(TODAY + 1));
        assert_eq!(KeptOfDay::new(TODAY).read(None), KeptOfDay::new(TODAY));
    }

    #[test]
    fn rows_bytes_and_the_lake_have_limits() {
        let today = KeptOfDay::new(TODAY);
        let kept = |count, bytes, of_table, of_lake| {
            let mut rows = rows(count, bytes);
            let taken = today.taken(&mut rows, of_table, of_lake);
            assert_eq!(taken.rows, rows.len() as u64);
            (rows.len(), taken.is_full)
        };
        assert_eq!(kept(1_000, 10, today, today), (1_000, false));
        assert_eq!(kept(1_001, 10, today, today), (1_000, true));
        assert_eq!(kept(9, 1 << 20, today, today), (4, true));
        assert_eq!(kept(1, (4 << 20) + 1, today, today), (0, true));
        let most = KeptOfDay {
            rows: 49_999,
            ..today
        };
        assert_eq!(kept(5, 10, today, most), (1, true));
    }
}
