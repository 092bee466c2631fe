//! Tables fetched into a sink in memory, from a stand-in for Kombo with a few rows, in paused time.

mod cut_answers;
mod evidence;
mod interleavings;
mod paging;
mod suppression;
mod together;
mod witness;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use kombo_source::decode::DecodeLimits;
use kombo_source::fetch::{Counts, FetchMode, Lane};
use kombo_source::ingest::{Done, Ingest, IngestError, IngestSettings, Order, next_mode};
use kombo_source::plan::{Announced, Kind};
use kombo_source::sink::Coverage;
use kombo_source::time::{Moment, Tier};

use crate::support::memory_sink::MemorySink;
use crate::support::memory_world::Unwatched;
use crate::support::small_kombo::{SmallKombo, table, tags};

pub(crate) type Writer = Ingest<SmallKombo, MemorySink>;

pub(crate) fn writer(kombo: &SmallKombo, sink: &MemorySink) -> Writer {
    remembering(kombo, sink, 1_000)
}

/// Makes a writer that remembers at most `memory_rows` rows.
fn remembering(kombo: &SmallKombo, sink: &MemorySink, memory_rows: usize) -> Writer {
    let settings = IngestSettings {
        memory_rows,
        ..IngestSettings::default()
    };
    Ingest::new(
        Arc::new(kombo.clone()),
        sink.clone(),
        DecodeLimits::default(),
        settings,
    )
}

pub(crate) async fn covered(writer: &Writer) -> Coverage {
    let integration = table().integration;
    writer.covered(&tags(), &integration).await.unwrap()
}

/// Fetches a table as the dispatcher does.
pub(crate) async fn run(writer: &Writer, want: Kind) -> Result<Done, IngestError> {
    let coverage = covered(writer).await;
    let now_ms = writer.api().now_ms();
    let mode = next_mode(&coverage, &tags(), Moment::from_millis(now_ms), want);
    fetch(writer, mode, coverage).await
}

/// Fetches a delta from the base of a tier, due or not. Fetches a snapshot when the tier has no base.
async fn run_tier(writer: &Writer, tier: Tier) -> Result<Done, IngestError> {
    let coverage = covered(writer).await;
    let all = Tier::ALL.map(|tier| coverage.bases.get(tier));
    let base = coverage
        .bases
        .get(tier)
        .filter(|_| all.iter().all(Option::is_some));
    let mode = base.map_or(FetchMode::Snapshot, |base| FetchMode::Delta {
        tier,
        updated_after: base.updated_after(tier),
    });
    fetch(writer, mode, coverage).await
}

async fn fetch(writer: &Writer, mode: FetchMode, coverage: Coverage) -> Result<Done, IngestError> {
    fetch_announced(writer, mode, coverage, Announced::default()).await
}

async fn fetch_announced(
    writer: &Writer,
    mode: FetchMode,
    coverage: Coverage,
    announced: Announced,
) -> Result<Done, IngestError> {
    let order = Order {
        mode,
        announced,
        ..snapshot_order(coverage)
    };
    carry_out(writer, order).await
}

/// Returns an order for a snapshot that no notification asked for.
fn snapshot_order(coverage: Coverage) -> Order {
    Order {
        table: table(),
        endpoint: tags(),
        mode: FetchMode::Snapshot,
        lane: Lane::Notified,
        coverage,
        announced: Announced::default(),
    }
}

/// Carries out an order, and checks that every received row is counted exactly once.
async fn carry_out(writer: &Writer, order: Order) -> Result<Done, IngestError> {
    let result = writer.run(order, (), &Unwatched).await;
    let counts = match &result {
        Ok(done) => &done.counts,
        Err(error) => &error.counts,
    };
    assert_adds_up(counts);
    result
}

fn assert_adds_up(counts: &Counts) {
    let Counts {
        received,
        committed,
        unchanged,
        repeated,
        quarantined,
        abandoned,
        ..
    } = *counts;
    let sum = committed + unchanged + repeated + quarantined + abandoned;
    assert_eq!(received, sum, "{counts:?}");
}

/// Returns the newest value of every id in the sink: what a reader of the live view sees.
pub(crate) fn newest(sink: &MemorySink) -> BTreeMap<String, String> {
    newest_of(&sink.batches(&table()))
}

fn newest_of(batches: &[RecordBatch]) -> BTreeMap<String, String> {
    let mut rows: BTreeMap<String, (i64, Option<String>)> = BTreeMap::new();
    for batch in batches {
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
        let (ids, names, ops) = (text("id"), text("name"), text("_op"));
        let seen = batch.column_by_name("_fetched_at").unwrap();
        let seen = seen.as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let is_there = ops.value(row) != "absent";
            let name = is_there.then(|| names.value(row).to_owned());
            let newest = rows.entry(ids.value(row).to_owned()).or_default();
            // Two observations of a row never have the same instant, so the comparison is strict.
            if seen.value(row) > newest.0 {
                *newest = (seen.value(row), name);
            }
        }
    }
    let there = rows.into_iter();
    there
        .filter_map(|(id, (_, name))| Some((id, name?)))
        .collect()
}

/// Counts the observations in the sink.
fn observations(sink: &MemorySink) -> usize {
    let batches = sink.batches(&table());
    batches.iter().map(RecordBatch::num_rows).sum()
}
