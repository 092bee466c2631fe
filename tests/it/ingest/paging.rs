//! Rows that shift between pages during a walk, and walks that break.

use std::time::Duration;

use kombo_source::api::ErrorReach;
use kombo_source::ingest::FetchEnding;
use kombo_source::plan::Kind;
use kombo_source::stream::FetchError;

use super::{newest, newest_of, run, writer};
use crate::support::memory_sink::MemorySink;
use crate::support::small_kombo::{LastPage, Listing, Rows, SmallKombo, table};

/// Returns a stand-in with rows that changed ten minutes ago, two rows on a page.
async fn kombo(listing: Listing, rows: usize) -> SmallKombo {
    let kombo = SmallKombo::new(listing, 2);
    kombo.change(|all| (0..rows).for_each(|row| all.set(&format!("{row:04}"), 0)));
    kombo.pass(600).await;
    kombo
}

/// Moves a row of the first page to the end, so that a row of the second page moves to the first page.
fn shift(rows: &mut Rows<'_>) {
    rows.set("0000", 1);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_shifts_out_of_a_delta_is_found_by_walking_again() {
    let kombo = kombo(Listing::ByChange, 5).await;
    let sink = MemorySink::default();
    let writer = writer(&kombo, &sink);
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.pass(600).await;
    kombo.change(|rows| (0..5).for_each(|row| rows.set(&format!("{row:04}"), 7)));
    kombo.change_after_page(1, shift);
    let kombo = kombo.with_delays(1_000, 1);
    kombo.asked();
    let begun_ms = kombo.now_ms();
    let done = run(&writer, Kind::Delta).await.unwrap();
    assert_eq!(newest(&sink), kombo.truth());
    let walks: Vec<_> = kombo
        .asked()
        .into_iter()
        .filter(|asked| asked.first_page)
        .collect();
    assert_eq!(walks.len(), 3, "the second brought news, the third none");
    assert!(
        walks
            .iter()
            .all(|walk| walk.updated_after == walks[0].updated_after)
    );
    assert!(done.counts.repeated > 0, "{:?}", done.counts);
    let base_ms = done.base.unwrap().as_millis();
    assert!(base_ms <= begun_ms, "it is that of the first walk");
}

#[tokio::test(start_paused = true)]
async fn a_delta_of_one_page_is_walked_once() {
    let kombo = kombo(Listing::ById, 5).await;
    let sink = MemorySink::default();
    let writer = writer(&kombo, &sink);
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.pass(600).await;
    kombo.set("0000", 1);
    kombo.asked();
    run(&writer, Kind::Delta).await.unwrap();
    assert_eq!(kombo.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_changed_while_a_snapshot_was_walked_is_in_the_deltas_before_it_is_visible() {
    let kombo = kombo(Listing::ById, 5).await;
    let sink = MemorySink::default();
    kombo.change_after_page(1, |rows| rows.set("0000", 1));
    let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    assert_eq!(done.closing_rows, 1);
    assert_eq!(newest_of(&sink.snapshot(&table()))["0000"], "v0");
    assert_eq!(
        newest(&sink),
        kombo.truth(),
        "the closing row counts as the later one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_that_shifts_out_of_a_snapshot_unchanged_is_asked_for() {
    for unknown_ids_fail in [false, true] {
        let mut kombo = kombo(Listing::ByChange, 7).await;
        if unknown_ids_fail {
            kombo = kombo.with_unknown_ids_failing();
        }
        let sink = MemorySink::default();
        let writer = writer(&kombo, &sink);
        run(&writer, Kind::Snapshot).await.unwrap();
        kombo.pass(600).await;
        kombo.change(|rows| rows.remove("0006"));
        kombo.change_after_page(1, shift);
        let done = run(&writer, Kind::Snapshot).await.unwrap();
        assert!(
            !newest_of(&sink.snapshot(&table())).contains_key("0002"),
            "it shifted"
        );
        assert_eq!((done.missing.found, done.missing.unconfirmed), (1, 0));
        assert_eq!(newest(&sink), kombo.truth(), "0006 is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_says_nothing_of_the_ids_that_were_asked_for() {
    let kombo = kombo(Listing::ById, 5).await;
    let sink = MemorySink::default();
    let writer = writer(&kombo, &sink);
    run(&writer, Kind::Snapshot).await.unwrap();
    kombo.change(|rows| rows.remove("0004"));
    kombo.refuse_ids(403, "INTEGRATION.PERMISSION_MISSING");
    let done = run(&writer, Kind::Snapshot).await.unwrap();
    assert!(matches!(done.ending, FetchEnding::Committed { .. }));
    assert_eq!((done.missing.found, done.missing.unconfirmed), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_walk_whose_cursor_died_starts_again_and_its_rows_count_as_abandoned() {
    let kombo = kombo(Listing::ById, 5).await;
    let sink = MemorySink::default();
    kombo.refuse_after(1, 400, "PLATFORM.INPUT_INVALID");
    let done = run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    assert_eq!(newest(&sink), kombo.truth());
    assert_eq!(done.counts.abandoned, 2, "{:?}", done.counts);
}

#[tokio::test(start_paused = true)]
async fn an_error_keeps_what_kombo_said_and_nothing_is_visible() {
    let kombo = kombo(Listing::ById, 5).await;
    let sink = MemorySink::default();
    kombo.refuse_after(1, 409, "INTEGRATION.INACTIVE");
    let error = run(&writer(&kombo, &sink), Kind::Snapshot)
        .await
        .unwrap_err();
    assert_eq!(error.reach(), ErrorReach::Integration);
    assert_eq!(error.api().unwrap().code(), Some("INTEGRATION.INACTIVE"));
    assert_eq!(error.counts.abandoned, 2);
    assert!(!error.is_retryable());
    assert_eq!(newest(&sink).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_whose_closing_delta_fails_is_not_committed() {
    let kombo = kombo(Listing::ById, 5).await;
    let sink = MemorySink::default();
    kombo.refuse_after(3, 409, "INTEGRATION.INACTIVE");
    let error = run(&writer(&kombo, &sink), Kind::Snapshot)
        .await
        .unwrap_err();
    assert_eq!(error.reach(), ErrorReach::Integration);
    assert_eq!(newest(&sink).len(), 0);
    assert_eq!(error.counts.abandoned, 5);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_leads_back_ends_the_walk_with_an_error() {
    let kombo = kombo(Listing::ById, 5).await;
    kombo.last_page(LastPage::PointsBack);
    let sink = MemorySink::default();
    let error = run(&writer(&kombo, &sink), Kind::Snapshot)
        .await
        .unwrap_err();
    let source = std::error::Error::source(&error.source).unwrap();
    assert!(
        matches!(source.downcast_ref(), Some(FetchError::CursorLoop { .. })),
        "{source}"
    );
    assert!(kombo.asked().len() <= 12, "three walks of four pages");
}

#[tokio::test(start_paused = true)]
async fn pages_that_bring_nothing_new_end_the_walk_although_every_cursor_is_new() {
    for last_page in [
        LastPage::IsFollowedByEmptyPages,
        LastPage::IsFollowedByTheFirst,
    ] {
        for kind in [Kind::Snapshot, Kind::Delta] {
            let kombo = kombo(Listing::ById, 5).await;
            let sink = MemorySink::default();
            run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
            let (before, _) = (newest(&sink), kombo.asked());
            kombo.last_page(last_page);
            kombo.pass(600).await;
            kombo.change(|rows| (0..5).for_each(|id| rows.set(&format!("{id:04}"), 9)));
            let error = run(&writer(&kombo, &sink), kind).await.unwrap_err();
            let source = std::error::Error::source(&error.source).unwrap();
            assert!(
                matches!(source.downcast_ref(), Some(FetchError::NothingNew { .. })),
                "{last_page:?}, {kind:?}: {source}"
            );
            let asked = kombo.asked().len();
            assert!(asked <= 60, "{last_page:?}, {kind:?}: {asked} requests");
            assert_eq!(newest(&sink), before, "nothing was committed");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_closing_delta_that_another_overtakes_is_walked_again() {
    let kombo = kombo(Listing::ById, 5).await;
    let sink = MemorySink::default();
    run(&writer(&kombo, &sink), Kind::Snapshot).await.unwrap();
    let slow = sink.with_deltas_that_wait(Duration::from_secs(30));
    let (busy, writer) = (writer(&kombo, &sink), writer(&kombo, &slow));
    kombo.pass(600).await;
    let deltas = async {
        for value in 1..4 {
            kombo.set("0001", value);
            kombo.pass(10).await;
            run(&busy, Kind::Delta).await.unwrap();
            kombo.pass(15).await;
        }
    };
    kombo.set("0000", 1);
    let (snapshot, ()) = tokio::join!(run(&writer, Kind::Snapshot), deltas);
    let done = snapshot.unwrap();
    assert!(
        matches!(done.ending, FetchEnding::Committed { .. }),
        "{done:?}"
    );
    assert!(done.counts.abandoned > 0, "{:?}", done.counts);
    assert_eq!(newest(&sink), kombo.truth());
}
