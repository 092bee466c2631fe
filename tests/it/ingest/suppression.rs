//! Rows that come again unchanged, and bases of deltas that found nothing.

use std::time::Duration;

use kombo_source::fetch::{Counts, FetchMode};
use kombo_source::ingest::FetchEnding;
use kombo_source::plan::Kind;
use kombo_source::sink::{Advance, Sink, Watermarks};
use kombo_source::time::{Base, Moment, Tier};

use super::{Writer, covered, fetch, newest, observations, remembering, run, run_tier, writer};
use crate::support::memory_sink::MemorySink;
use crate::support::small_kombo::{Listing, SmallKombo, table, tags};

/// Returns a table with one row that came by snapshot and changed by delta. The writer remembers the row.
async fn known() -> (SmallKombo, MemorySink, Writer) {
    let kombo = SmallKombo::new(Listing::ById, 10);
    let sink = MemorySink::default();
    let writer = writer(&kombo, &sink);
    kombo.set("a", 0);
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.pass(600).await;
    kombo.set("a", 1);
    run(&writer, Kind::Delta).await.unwrap();
    (kombo, sink, writer)
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_read_again_unchanged_is_committed_once() {
    let (kombo, sink, writer) = known().await;
    let before = observations(&sink);
    for _ in 0..3 {
        kombo.pass(60).await;
        let done = run(&writer, Kind::Delta).await.unwrap();
        assert_eq!(done.ending, FetchEnding::Empty);
        let Counts {
            received,
            unchanged,
            ..
        } = done.counts;
        assert_eq!((received, unchanged), (1, 1));
        assert_eq!(done.unannounced_rows, Some(0));
    }
    assert_eq!(observations(&sink), before);
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn a_row_that_changes_back_is_committed_again() {
    let (kombo, sink, writer) = known().await;
    for value in [2, 1, 2, 1] {
        kombo.pass(60).await;
        kombo.set("a", value);
        let done = run(&writer, Kind::Delta).await.unwrap();
        assert_eq!(done.counts.committed, 1, "to {value}");
        assert_eq!(done.unannounced_rows, Some(1));
        assert_eq!(newest(&sink), kombo.truth());
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_process_committed_ends_what_is_known() {
    let (kombo, sink, writer) = known().await;
    let other = super::writer(&kombo, &sink);
    kombo.pass(60).await;
    kombo.set("a", 2);
    run(&other, Kind::Delta).await.unwrap();
    kombo.pass(60).await;
    kombo.set("a", 1);
    let done = run(&writer, Kind::Delta).await.unwrap();
    assert_eq!(done.counts.committed, 1);
    assert_eq!(done.unannounced_rows, None, "it cannot tell what is new");
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn a_commit_between_what_was_decided_on_and_the_fence_supersedes() {
    let (kombo, sink, writer) = known().await;
    let other = super::writer(&kombo, &sink);
    kombo.pass(60).await;
    let coverage = covered(&writer).await;
    kombo.set("a", 2);
    run(&other, Kind::Delta).await.unwrap();
    kombo.pass(60).await;
    kombo.set("a", 1);
    let (tier, updated_after) = coverage
        .bases
        .next_delta(Moment::from_millis(kombo.now_ms()))
        .unwrap();
    let mode = FetchMode::Delta {
        tier,
        updated_after,
    };
    let done = fetch(&writer, mode, coverage).await.unwrap();
    assert_eq!(done.ending, FetchEnding::Superseded);
    run(&writer, Kind::Delta).await.unwrap();
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_another_process_has_the_next_delta_reach_back_to_it() {
    let (kombo, sink, writer) = known().await;
    let slow = sink.with_snapshots_that_wait(Duration::from_hours(1));
    let other = super::writer(&kombo, &slow);
    kombo.pass(60).await;
    kombo.set("a", 2);
    // The only page of the snapshot shows 2. The snapshot then stops for an hour before its commit.
    let deltas = async {
        kombo.pass(60).await;
        kombo.set("a", 1);
        for row in ["b", "c", "d"] {
            kombo.set(row, 1);
            let done = run_tier(&writer, Tier::Ordinary).await.unwrap();
            assert_eq!(done.counts.committed, 1, "a is left out");
            kombo.pass(900).await;
        }
    };
    let (late, ()) = tokio::join!(run(&other, Kind::Snapshot), deltas);
    assert!(matches!(
        late.unwrap().ending,
        FetchEnding::Committed { .. }
    ));
    kombo.pass(1).await;
    run_tier(&writer, Tier::Ordinary).await.unwrap();
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_out_while_a_snapshot_of_the_table_is_under_way() {
    let kombo = SmallKombo::new(Listing::ById, 10);
    let sink = MemorySink::default().with_snapshots_that_wait(Duration::from_mins(20));
    let writer = writer(&kombo, &sink);
    kombo.set("a", 0);
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.set("a", 1);
    run(&writer, Kind::Delta).await.unwrap();
    kombo.pass(60).await;
    kombo.set("a", 2);
    // The only page of the snapshot shows 2. The snapshot becomes visible twenty minutes later.
    let deltas = async {
        kombo.pass(60).await;
        kombo.set("a", 1);
        for _ in 0..9 {
            let done = run(&writer, Kind::Delta).await.unwrap();
            assert_eq!(done.unannounced_rows, None);
            kombo.pass(120).await;
        }
    };
    let (snapshot, ()) = tokio::join!(run(&writer, Kind::Snapshot), deltas);
    assert!(matches!(
        snapshot.unwrap().ending,
        FetchEnding::Committed { .. }
    ));
    kombo.pass(1).await;
    run_tier(&writer, Tier::Ordinary).await.unwrap();
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_has_just_started_knows_nothing_and_says_so() {
    let (kombo, sink, _) = known().await;
    kombo.pass(60).await;
    let fresh = super::writer(&kombo, &sink);
    let done = run(&fresh, Kind::Delta).await.unwrap();
    assert_eq!((done.counts.committed, done.unannounced_rows), (1, None));
    kombo.pass(60).await;
    let done = run(&fresh, Kind::Delta).await.unwrap();
    assert_eq!((done.counts.committed, done.unannounced_rows), (0, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_has_just_started_asks_the_sink_and_writes_no_row_again() {
    let (kombo, sink, _) = known().await;
    let sink = sink.telling();
    let before = observations(&sink);
    for _ in 0..3 {
        kombo.pass(60).await;
        let fresh = super::writer(&kombo, &sink);
        for _ in 0..2 {
            let done = run(&fresh, Kind::Delta).await.unwrap();
            assert_eq!(done.ending, FetchEnding::Empty);
            let Counts {
                received,
                unchanged,
                ..
            } = done.counts;
            assert_eq!((received, unchanged), (1, 1));
            assert!(done.base.is_some(), "and covers what it saw");
        }
    }
    assert_eq!(observations(&sink), before);
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn a_row_that_changed_back_before_a_start_is_committed_again() {
    let (kombo, sink, _) = known().await;
    let sink = sink.telling();
    for value in [2, 1, 2, 1] {
        kombo.pass(60).await;
        kombo.set("a", value);
        let fresh = super::writer(&kombo, &sink);
        let done = run(&fresh, Kind::Delta).await.unwrap();
        assert_eq!(done.counts.committed, 1, "to {value}");
        assert_eq!(newest(&sink), kombo.truth());
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_back_after_it_was_gone_is_committed_though_it_is_the_same() {
    let (kombo, sink, writer) = known().await;
    let sink = sink.telling();
    // These rows come back when Kombo is asked for them. Without them no answer would prove that a row is gone.
    kombo.change(|rows| ["b", "c", "d"].iter().for_each(|id| rows.set(id, 1)));
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.pass(600).await;
    kombo.change(|rows| rows.remove("a"));
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.pass(600).await;
    assert_eq!(newest(&sink), kombo.truth());
    kombo.set("a", 1);
    let fresh = super::writer(&kombo, &sink);
    run(&fresh, Kind::Delta).await.unwrap();
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn what_the_sink_said_does_not_count_once_somebody_else_has_committed() {
    let (kombo, sink, _) = known().await;
    let sink = sink.telling();
    kombo.pass(60).await;
    let fresh = super::writer(&kombo, &sink);
    let coverage = covered(&fresh).await;
    let other = super::writer(&kombo, &sink);
    kombo.set("a", 2);
    run(&other, Kind::Delta).await.unwrap();
    kombo.set("a", 1);
    let (tier, updated_after) = coverage
        .bases
        .next_delta(Moment::from_millis(kombo.now_ms()))
        .unwrap();
    let mode = FetchMode::Delta {
        tier,
        updated_after,
    };
    let done = fetch(&fresh, mode, coverage).await.unwrap();
    assert_eq!(done.ending, FetchEnding::Superseded);
    run(&fresh, Kind::Delta).await.unwrap();
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn a_wider_delta_than_the_memory_reaches_back_cannot_tell() {
    let (kombo, _, writer) = known().await;
    kombo.pass(60).await;
    let done = run_tier(&writer, Tier::Daily).await.unwrap();
    assert_eq!(done.unannounced_rows, None);
    kombo.pass(60).await;
    let done = run_tier(&writer, Tier::Hourly).await.unwrap();
    assert_eq!(
        done.unannounced_rows,
        Some(0),
        "now it reaches back far enough"
    );
}

#[tokio::test(start_paused = true)]
async fn a_memory_that_is_too_small_costs_observations_and_no_row() {
    let (kombo, sink, _) = known().await;
    let forgetful = remembering(&kombo, &sink, 0);
    for _ in 0..2 {
        kombo.pass(60).await;
        let done = run(&forgetful, Kind::Delta).await.unwrap();
        assert_eq!((done.counts.committed, done.unannounced_rows), (1, None));
    }
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn the_base_of_an_empty_delta_is_kept_in_memory_until_it_is_flushed() {
    let (kombo, sink, writer) = known().await;
    kombo.pass(600).await;
    let done = run(&writer, Kind::Delta).await.unwrap();
    assert_eq!(done.ending, FetchEnding::Empty);
    let ordinary = async |writer: &Writer| covered(writer).await.bases.get(Tier::Ordinary);
    let fresh = super::writer(&kombo, &sink);
    assert_eq!(ordinary(&writer).await, done.base);
    assert!(ordinary(&fresh).await < done.base);
    writer
        .flush_bases(|skipped| *skipped == table())
        .await
        .unwrap();
    assert!(ordinary(&fresh).await < done.base, "the table was skipped");
    writer.flush_bases(|_| false).await.unwrap();
    assert_eq!(ordinary(&fresh).await, done.base);
    assert_eq!(ordinary(&writer).await, done.base);
}

#[tokio::test(start_paused = true)]
async fn the_base_of_an_empty_delta_falls_with_the_commit_of_another_process() {
    for flushed in [false, true] {
        Box::pin(falls(flushed)).await;
    }
}

async fn falls(flushed: bool) {
    let (kombo, sink, writer) = known().await;
    let slow = sink.with_deltas_that_wait(Duration::from_mins(55));
    let other = super::writer(&kombo, &slow);
    kombo.pass(60).await;
    kombo.set("a", 2);
    // The other writer has seen 2 and is slow to commit it. This writer sees 1 again, and drops it as unchanged.
    let deltas = async {
        kombo.pass(60).await;
        kombo.set("a", 1);
        for _ in 0..3 {
            kombo.pass(1_000).await;
            let done = run(&writer, Kind::Delta).await.unwrap();
            assert_eq!(done.ending, FetchEnding::Empty);
        }
    };
    let (late, ()) = tokio::join!(run(&other, Kind::Delta), deltas);
    assert!(matches!(
        late.unwrap().ending,
        FetchEnding::Committed { .. }
    ));
    if flushed {
        writer.flush_bases(|_| false).await.unwrap();
    }
    kombo.pass(1).await;
    run_tier(&writer, Tier::Ordinary).await.unwrap();
    assert_eq!(newest(&sink), kombo.truth());
}

#[tokio::test(start_paused = true)]
async fn bases_are_raised_on_the_table_they_were_reached_on_and_on_no_other() {
    let (_, sink, _) = known().await;
    let integration = table().integration;
    let before = sink.covered(&tags(), &integration).await.unwrap();
    let mut advance = Advance {
        integration: integration.clone(),
        bases: before.bases,
        watermarks: before.watermarks,
    };
    let later = Base::from_millis(i64::MAX / 2);
    advance.bases.raise(Tier::Hourly, later);
    let other = Advance {
        watermarks: Watermarks::default(),
        ..advance.clone()
    };
    sink.advance(&tags(), &[other]).await.unwrap();
    assert_eq!(sink.covered(&tags(), &integration).await.unwrap(), before);
    sink.advance(&tags(), &[advance]).await.unwrap();
    let after = sink.covered(&tags(), &integration).await.unwrap();
    assert_eq!(after.bases.get(Tier::Hourly), Some(later));
    assert_eq!(after.watermarks, before.watermarks);
}

#[tokio::test(start_paused = true)]
async fn a_slow_delta_of_another_process_is_superseded_by_bases_that_were_flushed_meanwhile() {
    let (kombo, sink, writer) = known().await;
    let slow = sink.with_deltas_that_wait(Duration::from_mins(55));
    let other = super::writer(&kombo, &slow);
    kombo.pass(60).await;
    kombo.set("a", 2);
    // The other writer has seen 2. This writer sees 1 again, drops it as unchanged, and raises the base. If the 2 were
    // committed after that, no delta would ask for the 1 any more.
    let flushed = async {
        kombo.pass(60).await;
        kombo.set("a", 1);
        kombo.pass(1_000).await;
        let done = run(&writer, Kind::Delta).await.unwrap();
        assert_eq!(done.ending, FetchEnding::Empty);
        writer.flush_bases(|_| false).await.unwrap();
    };
    let (late, ()) = tokio::join!(run(&other, Kind::Delta), flushed);
    assert_eq!(late.unwrap().ending, FetchEnding::Superseded);
    run_tier(&writer, Tier::Ordinary).await.unwrap();
    assert_eq!(newest(&sink), kombo.truth());
}
