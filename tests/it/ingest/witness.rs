//! Walks that end early, filters that give wrong answers, and the rows that may still be called gone.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use kombo_source::fetch::FetchMode;
use kombo_source::ingest::{Done, FetchEnding, IngestError, Order};
use kombo_source::plan::Kind;
use kombo_source::stream::{FetchError, Verdicts};
use kombo_source::time::Tier;

use super::{Writer, carry_out, covered, run, snapshot_order, writer};
use crate::support::memory_sink::MemorySink;
use crate::support::small_kombo::{Asked, IdsFilter, Listing, SmallKombo, table, tags_without_ids};

pub(super) const DAY: u64 = 86_400;

/// Returns a stand-in with rows that changed ten minutes ago.
pub(super) async fn kombo(rows: usize, page_size: usize) -> SmallKombo {
    let kombo = SmallKombo::new(Listing::ById, page_size);
    kombo.change(|all| (0..rows).for_each(|row| all.set(&id(row), 0)));
    kombo.pass(600).await;
    kombo
}

pub(super) fn id(row: usize) -> String {
    format!("{row:06}")
}

/// Returns the number of rows in deltas for each operation.
pub(super) fn deltas(sink: &MemorySink) -> BTreeMap<String, usize> {
    let mut ops = BTreeMap::new();
    for batch in sink.deltas(&table()) {
        let column = batch.column_by_name("_op").unwrap();
        for op in column.as_string::<i32>() {
            *ops.entry(op.unwrap().to_owned()).or_default() += 1;
        }
    }
    ops
}

/// Returns whether a reader of `current` sees exactly the rows that Kombo has.
pub(super) fn is_right(sink: &MemorySink, kombo: &SmallKombo) -> bool {
    let truth = kombo.truth();
    let there = truth.iter().filter(|(_, shown)| !shown.contains("deleted"));
    sink.known(&table()).iter().eq(there.map(|(id, _)| id))
}

fn only(op: &str, rows: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([(op.to_owned(), rows)])
}

/// Fetches a snapshot of an endpoint that cannot be asked for ids.
async fn run_without_ids(writer: &Writer) -> Result<Done, IngestError> {
    let order = Order {
        endpoint: tags_without_ids(),
        ..snapshot_order(covered(writer).await)
    };
    carry_out(writer, order).await
}

fn questions(asked: &[Asked]) -> usize {
    asked.iter().filter(|asked| asked.ids > 0).count()
}

#[tokio::test(start_paused = true)]
async fn rows_that_a_walk_lacks_and_kombo_has_are_all_found_by_the_first_full_fetch() {
    for (rows, lost, page_size) in [
        (3_000, 1_001, 250),
        (3_000, 900, 100),
        (300, 100, 7),
        (300, 101, 50),
        (1_500, 999, 250),
        (10_500, 10_000, 250),
    ] {
        let kombo = kombo(rows, page_size).await;
        let sink = MemorySink::default().folding();
        run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        kombo.cut_after(Some(rows - lost));
        // Each full fetch runs in another process, and the first two follow right after each other.
        for (again, secs) in [(0, 600), (1, 5), (2, DAY)] {
            kombo.pass(secs).await;
            let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
            let found = Verdicts {
                asked: lost as u64,
                found: lost as u64,
                ..Verdicts::default()
            };
            assert_eq!(done.missing, found, "{lost} of {rows}, {again}");
            assert!(
                matches!(done.ending, FetchEnding::Committed { .. }),
                "{done:?}"
            );
            assert!(is_right(&sink, &kombo), "{lost} of {rows}, {again}");
        }
        assert_eq!(deltas(&sink), only("upsert", 3 * lost));
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_gone_are_all_confirmed_up_to_ten_thousand() {
    for (rows, gone, page_size, fails) in [
        (300, 100, 50, false),
        (300, 101, 50, true),
        (1_300, 999, 250, false),
        (1_300, 1_001, 250, true),
        (10_300, 10_000, 250, false),
    ] {
        let mut kombo = kombo(rows, page_size).await;
        if fails {
            kombo = kombo.with_unknown_ids_failing();
        }
        let sink = MemorySink::default().folding();
        run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        kombo.change(|all| (0..gone).for_each(|row| all.remove(&id(row))));
        kombo.pass(600).await;
        let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        let all = Verdicts {
            asked: gone as u64,
            gone: gone as u64,
            ..Verdicts::default()
        };
        assert_eq!(done.missing, all, "{gone} of {rows}");
        assert_eq!(deltas(&sink), only("absent", gone));
        assert!(is_right(&sink, &kombo));
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_finds_nothing_confirms_nothing_until_two_full_fetches_a_day_apart_agree() {
    for filter in [IdsFilter::Empty, IdsFilter::NotFound] {
        let kombo = kombo(500, 100).await;
        let sink = MemorySink::default().folding();
        run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        kombo.pass(600).await;
        kombo.cut_after(Some(440));
        kombo.filter_ids(filter);
        for secs in [5, 5, 600, DAY - 620] {
            let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
            let unproven = Verdicts {
                asked: 60,
                unconfirmed: 60,
                ..Verdicts::default()
            };
            assert_eq!(done.missing, unproven, "{filter:?}");
            assert_eq!(deltas(&sink), BTreeMap::new(), "{filter:?}");
            assert!(is_right(&sink, &kombo), "{filter:?}");
            kombo.pass(secs).await;
        }
        // The filter works again before any row was called gone.
        kombo.filter_ids(IdsFilter::Heeded);
        let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        assert_eq!(done.missing.found, 60, "{filter:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_walk_without_rows_has_no_canaries_and_proves_nothing() {
    for (left, filter) in [
        (0, IdsFilter::Heeded),
        (1, IdsFilter::Heeded),
        (1, IdsFilter::Ignored),
    ] {
        let kombo = kombo(40, 10).await;
        let sink = MemorySink::default().folding();
        run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        kombo.pass(600).await;
        kombo.change(|all| (left..40).for_each(|row| all.remove(&id(row))));
        kombo.filter_ids(filter);
        let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        assert_eq!(done.missing.unconfirmed, 40 - left as u64);
        assert_eq!(deltas(&sink).get("absent"), None);
    }
    let kombo = kombo(40, 10).await;
    let sink = MemorySink::default().folding();
    run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    kombo.pass(600).await;
    kombo.cut_after(Some(0));
    let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    assert_eq!(done.missing.found, 40, "they are asked for all the same");
}

#[tokio::test(start_paused = true)]
async fn of_more_rows_a_sample_that_is_gone_says_nothing_of_the_others() {
    for gone in [11_002, 12_500] {
        let kombo = kombo(gone + 20, 250).await;
        let sink = MemorySink::default().folding();
        run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        kombo.change(|all| (20..gone + 20).for_each(|row| all.remove(&id(row))));
        let rest = gone as u64 - 1_000;
        let sampled = Verdicts {
            asked: 1_000,
            gone: 1_000,
            unconfirmed: rest,
            unasked: rest,
            ..Verdicts::default()
        };
        kombo.pass(600).await;
        kombo.asked();
        let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        assert_eq!(done.missing, sampled, "{gone}");
        assert_eq!(questions(&kombo.asked()), 10);
        // This full fetch begins a day after one that lacks the rows.
        kombo.pass(DAY).await;
        let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        assert_eq!(done.missing.gone, rest, "two samples, two walks");
        assert_eq!(done.missing.unconfirmed, 0);
        assert!(is_right(&sink, &kombo));
        assert_eq!(deltas(&sink), only("absent", gone));
    }
}

#[tokio::test(start_paused = true)]
async fn a_walk_of_which_a_sample_lives_is_walked_again_and_does_not_become_visible() {
    let (rows, left) = (12_600, 100);
    let kombo = kombo(rows, 250).await;
    let sink = MemorySink::default().folding();
    run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    let before = sink.snapshot(&table());
    kombo.cut_after(Some(left));
    for secs in [600, DAY, DAY] {
        kombo.pass(secs).await;
        let error = run(&writer(&kombo, &sink), Kind::Snapshot)
            .await
            .unwrap_err();
        assert!(error.is_retryable());
        let source = std::error::Error::source(&error.source).unwrap();
        assert!(
            matches!(
                source.downcast_ref(),
                Some(FetchError::CutShort {
                    rows: 100,
                    found: 10_000
                })
            ),
            "{source}"
        );
        assert_eq!(sink.snapshot(&table()), before);
        assert!(is_right(&sink, &kombo));
    }
    assert_eq!(deltas(&sink).get("absent"), None);
    // The early end was a temporary fault.
    kombo.cut_after(None);
    let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    assert_eq!(done.missing, Verdicts::default());
    assert!(is_right(&sink, &kombo));
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_is_whole_the_second_time_is_committed() {
    let kombo = kombo(12_600, 250).await;
    let sink = MemorySink::default().folding();
    run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    kombo.cut_after(Some(100));
    kombo.pass(600).await;
    let kombo = kombo.with_delays(1_000, 1);
    let writer = writer(&kombo, &sink);
    let honest = async {
        // The walk has one or two pages. Then a hundred questions take a second each.
        kombo.pass(30).await;
        kombo.cut_after(None);
    };
    let (done, ()) = tokio::join!(run(&writer, Kind::Snapshot), honest);
    let done = done.unwrap();
    assert!(matches!(done.ending, FetchEnding::Committed { .. }));
    assert!(is_right(&sink, &kombo));
    assert_eq!(deltas(&sink).get("absent"), None);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_ids_keeps_rows_until_two_full_fetches_a_day_apart_lack_them() {
    for lost in [60, 1_001, 12_500] {
        let kombo = kombo(lost + 50, 250).await;
        let sink = MemorySink::default().folding();
        run_without_ids(&writer(&kombo, &sink)).await.unwrap();
        kombo.pass(600).await;
        kombo.cut_after(Some(50));
        let kept = Verdicts {
            unconfirmed: lost as u64,
            unasked: lost as u64,
            ..Verdicts::default()
        };
        // Three repeats right after each other, then hourly repeats, each in a process of its own.
        for secs in [3, 3, 3, 3_600, 3_600, 3_600, 70_000] {
            let done = run_without_ids(&writer(&kombo, &sink)).await.unwrap();
            assert_eq!(done.missing, kept);
            kombo.pass(secs).await;
        }
        assert!(is_right(&sink, &kombo));
        // The fault ends a few hours before the day is over.
        kombo.cut_after(None);
        run_without_ids(&writer(&kombo, &sink)).await.unwrap();
        kombo.cut_after(Some(50));
        for expected in [0, lost, 0] {
            kombo.pass(DAY).await;
            let done = run_without_ids(&writer(&kombo, &sink)).await.unwrap();
            assert_eq!(done.missing.gone, expected as u64, "{lost}");
        }
        assert_eq!(deltas(&sink), only("absent", lost));
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_that_walk_at_once_agree_on_nothing_that_only_time_can_tell() {
    let kombo = kombo(500, 50).await.with_delays(1_000, 7);
    let sink = MemorySink::slow(7).folding();
    run_without_ids(&writer(&kombo, &sink)).await.unwrap();
    kombo.pass(600).await;
    kombo.cut_after(Some(440));
    for _ in 0..4 {
        let (one, other) = (writer(&kombo, &sink), writer(&kombo, &sink));
        let (one, other) = tokio::join!(run_without_ids(&one), run_without_ids(&other));
        for done in [one.unwrap(), other.unwrap()] {
            assert_eq!(done.missing.gone, 0, "{done:?}");
        }
        kombo.pass(3_600).await;
    }
    assert_eq!(deltas(&sink), BTreeMap::new());
    assert!(is_right(&sink, &kombo));
}

#[tokio::test(start_paused = true)]
async fn what_a_full_fetch_shows_as_deleted_has_a_tombstone_in_deltas_whatever_its_number() {
    for (rows, deleted, page_size) in [
        (5, 1, 2),
        (2, 1, 2),
        (1_500, 1_001, 250),
        (12_600, 12_500, 250),
    ] {
        let kombo = kombo(rows, page_size).await;
        let sink = MemorySink::default().folding();
        run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        kombo.change(|all| (0..deleted).for_each(|row| all.delete(&id(row))));
        // No notification announced the deletion, and no delta has it: the deletion is older than a day.
        kombo.pass(2 * DAY).await;
        kombo.asked();
        let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        let shown = Verdicts {
            gone: deleted as u64,
            shown: deleted as u64,
            ..Verdicts::default()
        };
        assert_eq!(done.missing, shown);
        assert_eq!(done.closing_rows, 0);
        assert_eq!(questions(&kombo.asked()), 0, "Kombo has just said it");
        assert_eq!(deltas(&sink), only("delete", deleted));
        assert!(is_right(&sink, &kombo));
        // A second full fetch does not write the rows again.
        kombo.pass(600).await;
        let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        assert_eq!(done.missing, Verdicts::default());
        assert_eq!(deltas(&sink), only("delete", deleted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_comes_back_while_it_is_shown_as_deleted_is_not_called_gone() {
    let kombo = kombo(9, 2).await;
    let sink = MemorySink::default().folding();
    run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    kombo.change(|all| all.delete(&id(0)));
    kombo.pass(600).await;
    let kombo = kombo.with_delays(20_000, 1);
    let (one, other) = (writer(&kombo, &sink), writer(&kombo, &sink));
    let back = async {
        kombo.pass(60).await;
        kombo.set(&id(0), 7);
        kombo.pass(1).await;
        let coverage = covered(&other).await;
        let base = coverage.bases.get(Tier::Ordinary).unwrap();
        let order = Order {
            mode: FetchMode::Delta {
                tier: Tier::Ordinary,
                updated_after: base.updated_after(Tier::Ordinary),
            },
            ..snapshot_order(coverage)
        };
        carry_out(&other, order).await.unwrap();
    };
    let (done, ()) = tokio::join!(run(&one, Kind::Snapshot), back);
    let done = done.unwrap();
    assert!(matches!(done.ending, FetchEnding::Committed { .. }));
    assert!(is_right(&sink, &kombo));
}

#[tokio::test(start_paused = true)]
async fn a_walk_of_which_some_live_is_no_second_look_for_those_that_nobody_could_tell() {
    let kombo = kombo(500, 250).await;
    let sink = MemorySink::default().folding();
    run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    kombo.cut_after(Some(200));
    for (filter, found) in [(IdsFilter::Empty, 0), (IdsFilter::Heeded, 100)] {
        kombo.pass(DAY).await;
        kombo.filter_ids(filter);
        kombo.refuse_after(2, 400, "SOME.CODE");
        let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
        assert_eq!((done.missing.found, done.missing.gone), (found, 0));
        assert!(is_right(&sink, &kombo));
    }
}
