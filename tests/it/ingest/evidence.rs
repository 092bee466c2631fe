//! The rows that a full fetch writes about missing and deleted records.

use std::collections::BTreeSet;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::TimestampMicrosecondType;
use kombo_source::fetch::FetchMode;
use kombo_source::ingest::{Done, FetchEnding};
use kombo_source::plan::{Announced, Kind};
use kombo_source::time::{Moment, Tier};

use super::{covered, fetch_announced, newest, newest_of, run, writer};
use crate::support::memory_sink::MemorySink;
use crate::support::small_kombo::{IdsFilter, Listing, SmallKombo, table};

/// Returns a stand-in with rows that changed ten minutes ago, two rows on a page.
async fn kombo(rows: usize) -> SmallKombo {
    let kombo = SmallKombo::new(Listing::ById, 2);
    kombo.change(|all| (0..rows).for_each(|row| all.set(&format!("{row:04}"), 0)));
    kombo.pass(600).await;
    kombo
}

#[tokio::test(start_paused = true)]
async fn rows_of_the_closing_delta_bear_the_fetch_id_of_the_snapshot() {
    let kombo = kombo(5).await;
    let sink = MemorySink::default();
    kombo.change_after_page(1, |rows| rows.set("0000", 1));
    let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    assert_eq!(done.closing_rows, 1);
    let batches = sink.batches(&table());
    let fetches = batches.iter().flat_map(|batch| {
        let ids = batch.column_by_name("_fetch_id").unwrap();
        ids.as_string::<i32>().iter().flatten()
    });
    assert_eq!(fetches.collect::<BTreeSet<_>>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_says_which_base_was_reached_before_it_flushed_or_not() {
    let kombo = kombo(5).await;
    let sink = MemorySink::default();
    let writer = writer(&kombo, &sink);
    run(&writer, Kind::Snapshot).await.unwrap();
    assert_eq!(sink.provenance(&table()).prior, None);
    kombo.pass(600).await;
    let empty = run(&writer, Kind::Delta).await.unwrap();
    kombo.pass(600).await;
    run(&writer, Kind::Snapshot).await.unwrap();
    let prior = sink.provenance(&table()).prior;
    assert_eq!(prior, empty.base, "it is in memory alone");
    assert_ne!(prior, covered(&writer).await.bases.get(Tier::Ordinary));
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_comes_while_a_snapshot_is_walked_is_noted_with_it() {
    let kombo = kombo(5).await.with_delays(2_000, 1);
    let sink = MemorySink::default();
    let writer = writer(&kombo, &sink);
    for comes in [false, true] {
        let announced = Announced::default();
        let told = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            announced.set(comes.then_some(Moment::from_millis(7)));
        };
        let coverage = covered(&writer).await;
        let mode = FetchMode::Snapshot;
        let fetched = fetch_announced(&writer, mode, coverage, announced.clone());
        let (done, ()) = tokio::join!(fetched, told);
        done.unwrap();
        let noted = sink.provenance(&table()).announced;
        assert_eq!(noted, comes.then_some(Moment::from_millis(7)));
    }
}

/// Returns how many of the missing rows were found, are gone, and are unconfirmed.
fn missing(done: &Done) -> (u64, u64, u64) {
    (
        done.missing.found,
        done.missing.gone,
        done.missing.unconfirmed,
    )
}

/// Returns the rows that say that a record is gone, each with the instant of its observation.
fn absent(sink: &MemorySink) -> Vec<(String, i64)> {
    let batches = sink.deltas(&table());
    let mut rows = Vec::new();
    for batch in &batches {
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
        let (ids, ops) = (text("id"), text("_op"));
        let times = batch.column_by_name("_fetched_at").unwrap();
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let gone = (0..batch.num_rows()).filter(|row| ops.value(*row) == "absent");
        rows.extend(gone.map(|row| (ids.value(row).to_owned(), times.value(row))));
    }
    rows
}

fn last_observation(batches: &[RecordBatch]) -> i64 {
    let rows = concat_batches(&batches[0].schema(), batches).unwrap();
    let times = rows.column_by_name("_fetched_at").unwrap();
    let times = times.as_primitive::<TimestampMicrosecondType>();
    times.values().iter().copied().max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_gone_without_a_trace_gets_one_that_says_so() {
    for (rows, unknown_ids_fail) in [(5, false), (5, true), (3, false), (3, true)] {
        let mut kombo = kombo(rows).await;
        if unknown_ids_fail {
            kombo = kombo.with_unknown_ids_failing();
        }
        let sink = MemorySink::default();
        let writer = writer(&kombo, &sink);
        run(&writer, Kind::Snapshot).await.unwrap();
        kombo.pass(600).await;
        kombo.change(|rows| rows.remove("0001"));
        let done = run(&writer, Kind::Snapshot).await.unwrap();
        assert_eq!(missing(&done), (0, 1, 0));
        assert_eq!(done.closing_rows, 0);
        let gone = absent(&sink);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].0, "0001");
        let snapshot = sink.snapshot(&table());
        assert!(gone[0].1 > last_observation(&snapshot), "later than all");
        assert!(gone[0].1 / 1_000 >= kombo.now_ms() - 1, "when it was told");
        assert_eq!(newest(&sink), kombo.truth());

        // A second full fetch does not write the row again.
        let done = run(&writer, Kind::Snapshot).await.unwrap();
        assert_eq!((missing(&done), absent(&sink).len()), ((0, 0, 0), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_asked_for_and_found_deleted_comes_as_kombo_has_it() {
    let kombo = kombo(5).await;
    let sink = MemorySink::default();
    let writer = writer(&kombo, &sink);
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.pass(600).await;
    // The row shifts out of the walk, and is deleted before Kombo is asked for it.
    kombo.change_after_page(1, |rows| {
        rows.remove("0000");
        rows.delete("0002");
    });
    let done = run(&writer, Kind::Snapshot).await.unwrap();
    assert_eq!(missing(&done), (1, 0, 0));
    assert!(!newest_of(&sink.snapshot(&table())).contains_key("0002"));
    assert_eq!(absent(&sink), []);
    assert_eq!(newest(&sink)["0002"], kombo.truth()["0002"]);
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_is_not_heeded_confirms_nothing() {
    let kombo = kombo(5).await;
    let sink = MemorySink::default();
    let writer = writer(&kombo, &sink);
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.pass(600).await;
    let gone = ["0001", "0002", "0003", "0004"];
    kombo.change(|rows| gone.iter().for_each(|id| rows.remove(id)));
    kombo.filter_ids(IdsFilter::Ignored);
    let done = run(&writer, Kind::Snapshot).await.unwrap();
    assert_eq!(missing(&done), (0, 0, 4), "all of one page, none asked for");
    assert_eq!(absent(&sink), []);
}

/// The least number of seconds between two checks of which the second confirms the first.
const DAY: u64 = 86_400;

#[tokio::test(start_paused = true)]
async fn what_no_answer_proves_is_gone_once_two_snapshots_a_day_apart_lack_it() {
    for rows in [5, 2] {
        let kombo = kombo(rows).await;
        let sink = MemorySink::default().folding();
        let writer = writer(&kombo, &sink);
        run(&writer, Kind::Snapshot).await.unwrap();
        kombo.pass(600).await;
        kombo.change(|rows| rows.remove("0001"));
        kombo.refuse_ids(403, "INTEGRATION.PERMISSION_MISSING");
        let steps = [
            (600, (0, 0, 1)),
            (600, (0, 0, 1)),
            // This snapshot begins a day after one that lacks the row.
            (DAY, (0, 1, 0)),
            (600, (0, 0, 0)),
        ];
        for (number, (secs, expected)) in steps.into_iter().enumerate() {
            kombo.pass(secs).await;
            let done = run(&writer, Kind::Snapshot).await.unwrap();
            assert_eq!(missing(&done), expected, "{rows} rows, snapshot {number}");
            assert_eq!(absent(&sink).len(), usize::from(number > 1));
        }
        assert_eq!(newest(&sink), kombo.truth());
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_between_two_snapshots_is_not_lacked_by_both() {
    let kombo = kombo(5).await;
    let sink = MemorySink::default().folding();
    let writer = writer(&kombo, &sink);
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.refuse_ids(403, "INTEGRATION.PERMISSION_MISSING");
    kombo.change(|rows| rows.remove("0001"));
    kombo.pass(DAY).await;
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.set("0001", 2);
    kombo.pass(600).await;
    run(&writer, Kind::Delta).await.unwrap();
    kombo.change(|rows| rows.remove("0001"));
    kombo.pass(DAY).await;
    let done = run(&writer, Kind::Snapshot).await.unwrap();
    assert_eq!(missing(&done), (0, 0, 1));
    assert_eq!(newest(&sink)["0001"], "v2", "it stays for now");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_another_process_brings_back_meanwhile_is_not_called_gone() {
    let kombo = kombo(5).await.with_delays(1_000, 3);
    let sink = MemorySink::default().folding();
    let writer = writer(&kombo, &sink);
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.refuse_ids(403, "INTEGRATION.PERMISSION_MISSING");
    kombo.change(|rows| rows.remove("0001"));
    kombo.pass(DAY).await;
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.pass(DAY).await;
    let slow = sink.with_deltas_that_wait(Duration::from_mins(1));
    let (late, other) = (super::writer(&kombo, &slow), super::writer(&kombo, &sink));
    let back = async {
        // The walk is over, and its closing delta waits for other commits.
        kombo.pass(20).await;
        kombo.set("0001", 9);
        kombo.pass(1).await;
        run(&other, Kind::Delta).await.unwrap();
    };
    let (done, ()) = tokio::join!(run(&late, Kind::Snapshot), back);
    let done = done.unwrap();
    assert!(
        matches!(done.ending, FetchEnding::Committed { .. }),
        "{done:?}"
    );
    assert_eq!(missing(&done).1, 0, "{done:?}");
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn a_comparison_that_another_process_has_overtaken_is_made_again() {
    // With a single page there is no closing delta that would correct the result.
    let kombo = kombo(2).await;
    let sink = MemorySink::default().folding();
    run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    kombo.refuse_ids(403, "INTEGRATION.PERMISSION_MISSING");
    kombo.change(|rows| rows.remove("0001"));
    kombo.pass(DAY).await;
    run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    kombo.pass(DAY).await;
    let slow = sink.with_comparisons_that_wait(Duration::from_mins(1));
    let (late, other) = (writer(&kombo, &slow), writer(&kombo, &sink));
    let back = async {
        kombo.pass(20).await;
        kombo.set("0001", 9);
        kombo.pass(1).await;
        run(&other, Kind::Delta).await.unwrap();
    };
    let (done, ()) = tokio::join!(run(&late, Kind::Snapshot), back);
    assert_eq!(missing(&done.unwrap()), (0, 0, 1));
    assert_eq!(newest(&sink), kombo.truth());
}
