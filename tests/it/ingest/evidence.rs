//! What a full fetch leaves for whoever compares it with what was known before.

use std::collections::BTreeSet;
use std::time::Duration;

use arrow::array::AsArray;
use kombo_source::fetch::FetchMode;
use kombo_source::plan::{Announced, Kind};
use kombo_source::time::Tier;

use super::{covered, fetch_announced, run, writer};
use crate::support::memory_sink::MemorySink;
use crate::support::small_kombo::{Listing, SmallKombo, table};

/// Rows that changed ten minutes ago, two on a page.
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
    assert_eq!(sink.circumstances(&table()).prior, None);
    kombo.pass(600).await;
    let empty = run(&writer, Kind::Delta).await.unwrap();
    kombo.pass(600).await;
    run(&writer, Kind::Snapshot).await.unwrap();
    let prior = sink.circumstances(&table()).prior;
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
            announced.set(comes.then_some(7));
        };
        let coverage = covered(&writer).await;
        let mode = FetchMode::Snapshot;
        let fetched = fetch_announced(&writer, mode, coverage, announced.clone());
        let (done, ()) = tokio::join!(fetched, told);
        done.unwrap();
        let noted = sink.circumstances(&table()).announced_ms;
        assert_eq!(noted, comes.then_some(7));
    }
}
