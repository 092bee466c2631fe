//! Instants that a wrong clock put into the future are reported, stop further fetches, and are moved back in order.

mod crash;

use crate::ids::IntegrationKey;
use crate::lake::Part;
use crate::lake::ledgers::{completeness::TableComparison, drift};
use crate::lake::tests::upkeep::*;
use crate::lake::{Ahead, DriftFilter, DriftRow, FoldSettings, Hold, LakeError, RepairReport};
use crate::sink::Receipt;
use crate::time::{Horizon, ObservedAt};
use crate::versions::drift::{DriftCause, DriftKind};
use crate::versions::guard::{HoldCause, HoldState};

/// The last day of the year 9999, and January 2099.
const YEAR_9999: i64 = 253_402_214_400_000_000;
const YEAR_2099: i64 = 4_070_908_800_000_000;
const HOUR_US: i64 = 3_600_000_000;

/// Makes a lake like those of earlier builds, which believed every `Date`. All rows after two wrong dates lie in the
/// future, with rows of two integrations in one file. The snapshot and the deltas of `a` were observed in turns.
async fn poisoned() -> Aging {
    let aging = Aging::new();
    let lake = aging.lake().await;
    let full: [Row; 3] = [("1", 100, 1), ("2", 101, 1), ("3", 102, 1)];
    run(&lake, &snapshot("a"), &[&full], end(1, 102)).await;
    run(&lake, &delta("b"), &[&[("1", 150, 1)]], end(1, 150)).await;
    run(&lake, &delta("a"), &[&[("1", 200, 2)]], end(1, 200)).await;
    let (soon, far) = (YEAR_2099, YEAR_9999);
    for (name, row) in [
        ("a", ("2", soon + 5, 9)),
        ("b", ("1", soon + 7, 2)),
        ("a", ("1", far + 11, 5)),
        ("a", ("3", far + 20, 4)),
        ("b", ("2", far + 20, 3)),
    ] {
        run(&lake, &delta(name), &[&[row]], end(far / 1_000, row.1)).await;
    }
    let full: [Row; 3] = [("1", soon + 6, 3), ("2", soon + 8, 3), ("3", far + 12, 3)];
    run(&lake, &snapshot("a"), &[&full], end(far / 1_000, far + 12)).await;
    let merged = UpkeepSettings {
        compact_files: 2,
        ..UpkeepSettings::default()
    };
    keep_up(&lake, &merged).await;
    assert_eq!(live_files(&aging.store, Part::Deltas).await.len(), 1);
    later_than_the_store(&aging);
    aging
}

/// Moves this machine's clock ahead of the store's, so that from now on this machine's clock decides.
fn later_than_the_store(aging: &Aging) {
    aging.clock.pass(5 * 60_000);
}

/// The table of a row, its integration, its id and payload.
type InOrder = (&'static str, String, String, i64);

/// Returns all rows of snapshots and deltas, in the order of observation.
async fn order(store: &TableStore) -> Vec<InOrder> {
    let mut rows = Vec::new();
    for (name, part) in [("snapshots", Part::Snapshots), ("deltas", Part::Deltas)] {
        let stored = stored(store, part).await.into_iter();
        rows.extend(
            stored.map(|(whose, id, at, hash)| (whose.clone(), at, (name, whose, id, hash))),
        );
    }
    rows.sort();
    rows.into_iter().map(|(_, _, row)| row).collect()
}

async fn fold(lake: &Lake) {
    let report = lake.fold(&tags(), None, &FoldSettings::default()).await;
    report.expect("folded");
}

/// Returns the rows of `a` in `current`: ids and payloads.
async fn current(store: &TableStore) -> Vec<(String, i64)> {
    let rows = stored(store, Part::Current).await.into_iter();
    let id = integration("a").to_string();
    let own = rows.filter(|row| row.0 == id);
    own.map(|(_, id, _, hash)| (id, hash)).collect()
}

/// Returns the right rows. The last deltas of `1` and `3` came after the snapshot saw them, that of `2` came before.
fn right() -> Vec<(String, i64)> {
    let rows = [("1", 5), ("2", 3), ("3", 4)];
    rows.map(|(id, hash)| (id.to_owned(), hash)).to_vec()
}

fn horizon(aging: &Aging) -> Horizon {
    Horizon::at(aging.clock.now())
}

/// Returns the parts that lie in the future, by table.
async fn ahead(aging: &Aging) -> Vec<(IntegrationKey, Vec<Ahead>)> {
    let lake = aging.lake().await;
    let overview = lake.overview(&tags()).await.expect("read").expect("there");
    let tables = overview.tables.into_iter();
    let ahead = tables.map(|(key, table)| (key, table.ahead(horizon(aging))));
    ahead.filter(|(_, parts)| !parts.is_empty()).collect()
}

async fn repair(lake: &Lake) -> RepairReport {
    let report = lake.repair(&[tags()], REPAIRS).await.expect("repaired");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    report
}

async fn notes_left(store: &TableStore) -> bool {
    let all = paths(store).await;
    all.iter()
        .any(|path| path.as_ref().ends_with("kombo_repair.json"))
}

/// Checks that nothing lies in the future, that every row is there in its order, and that `current` agrees.
async fn is_right(aging: &Aging, before: &[InOrder], context: &str) {
    assert_eq!(ahead(aging).await, [], "{context}");
    assert_eq!(order(&aging.store).await, before, "{context}");
    fold(&aging.lake().await).await;
    assert_eq!(current(&aging.store).await, right(), "{context}");
    let latest_us = horizon(aging).latest_us();
    for part in [Part::Snapshots, Part::Deltas, Part::Current] {
        for row in stored(&aging.store, part).await {
            assert!(row.2 <= latest_us, "{context}: {part:?} {row:?}");
        }
    }
    assert!(!notes_left(&aging.store).await, "{context}");
}

#[tokio::test]
async fn each_part_that_lies_in_the_future_is_told_and_how_far_it_does() {
    let aging = poisoned().await;
    fold(&aging.lake().await).await;
    let told = ahead(&aging).await;
    let keys: Vec<_> = told.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, ["a", "b"].map(|name| integration(name).key()));
    let parts: Vec<_> = told[0].1.iter().map(|ahead| ahead.part).collect();
    assert_eq!(parts, ["snapshots", "deltas", "current", "bases"]);
    let years = told[0].1[0].by.as_secs() / (365 * 86_400);
    assert!((7_000..8_000).contains(&years), "{years}");
}

#[tokio::test]
async fn no_fetch_goes_on_from_years_ahead_and_other_tables_are_fetched() {
    let aging = poisoned().await;
    let lake = aging.lake().await;
    let refused = lake.coverage(&tags(), &integration("a")).await;
    let error = refused.expect_err("years ahead");
    assert!(matches!(error, LakeError::Ahead { .. }), "{error}");
    assert!(error.to_string().contains("ats/tags of tool:a"), "{error}");
    assert!(
        error.advice().contains("kombo-source repair"),
        "{}",
        error.advice()
    );
    assert!(!error.is_retryable());
    lake.coverage(&tags(), &integration("c"))
        .await
        .expect("another");
    // The table is ahead by as much as this machine's clock may be wrong. It is reported, and still fetched.
    let hours_us = aging.clock.now().as_millis() * 1_000 + 5 * HOUR_US;
    run(
        &lake,
        &delta("c"),
        &[&[("1", hours_us, 1)]],
        end(1, hours_us),
    )
    .await;
    let covered = lake.coverage(&tags(), &integration("c")).await;
    assert_eq!(
        covered.expect("fetched").seen,
        Some(ObservedAt::from_micros(hours_us))
    );
    assert_eq!(ahead(&aging).await.len(), 3);
}

#[tokio::test]
async fn a_dry_run_says_what_there_is_and_changes_nothing() {
    let aging = poisoned().await;
    let (before, keys) = (view(&aging.store).await, paths(&aging.store).await);
    let lake = aging.lake().await;
    let report = lake.repair(&[tags()], LOOKS).await.expect("looked");
    assert_eq!(
        (view(&aging.store).await, paths(&aging.store).await),
        (before, keys)
    );
    assert_eq!(report.ahead.len(), 2);
    let until = ObservedAt::from_micros(YEAR_9999 + 20);
    assert_eq!(
        (&*report.ahead[0].table, report.ahead[0].until),
        ("ats_tags", Some(until))
    );
    let rows: Vec<_> = report
        .tables
        .iter()
        .map(|one| (&*one.table, one.rows, one.files))
        .collect();
    assert_eq!(
        rows,
        [("ats_tags/deltas", 5, 1), ("ats_tags/snapshots", 3, 1)]
    );
    let done = repair(&lake).await;
    assert_eq!(
        (done.ahead.len(), done.tables),
        (2, report.tables),
        "as the dry run reported"
    );
}

#[tokio::test]
async fn rows_keep_their_order_across_snapshots_and_deltas_and_current_is_made_of_them() {
    for folded in [false, true] {
        let aging = poisoned().await;
        if folded {
            fold(&aging.lake().await).await;
        }
        let before = order(&aging.store).await;
        let lake = aging.lake().await;
        repair(&lake).await;
        is_right(&aging, &before, &format!("folded before: {folded}")).await;
        let now_us = aging.clock.now().as_millis() * 1_000;
        let covered = lake
            .coverage(&tags(), &integration("a"))
            .await
            .expect("covered");
        assert_eq!(covered.seen, Some(ObservedAt::from_micros(now_us + 5)));
        assert_eq!(
            covered.bases.next_delta(aging.clock.now()),
            None,
            "a full fetch"
        );
        let again = repair(&lake).await;
        assert_eq!((again.ahead.len(), again.tables.len()), (0, 0), "{again:?}");

        aging.clock.pass(1_000);
        let next_us = now_us + 1_000_000;
        let receipt = run(&lake, &delta("a"), &[&[("9", next_us, 1)]], end(7, next_us)).await;
        assert!(matches!(receipt, Receipt::Committed { .. }), "{receipt:?}");
    }
}

#[tokio::test]
async fn what_was_brought_back_leaves_deltas_in_time() {
    let aging = poisoned().await;
    let lake = aging.lake().await;
    let deltas = async || stored(&aging.store, Part::Deltas).await.len();
    let full = |at_us: i64| [("1", at_us, 7), ("2", at_us + 1, 7), ("3", at_us + 2, 7)];
    repair(&lake).await;
    let now_us = aging.clock.now().as_millis() * 1_000 + HOUR_US;
    for name in ["a", "b"] {
        let rows = full(now_us);
        run(
            &lake,
            &snapshot(name),
            &[&rows],
            end(now_us / 1_000, now_us + 2),
        )
        .await;
    }
    fold(&lake).await;
    let letting_go = UpkeepSettings {
        compact_files: 0,
        ..UpkeepSettings::default()
    };
    keep_up(&lake, &letting_go).await;
    assert_eq!(deltas().await, 7, "they are as young as the repair");
    aging.pass(37).await;
    keep_up(&lake, &letting_go).await;
    assert_eq!(deltas().await, 0);
}

/// Returns a drift row of a full fetch in 2099.
fn drifted() -> DriftRow {
    DriftRow {
        id: "1".to_owned(),
        kind: DriftKind::Update,
        cause: DriftCause::NoNotification,
        columns: Vec::new(),
        fetched_at_us: YEAR_2099 + 6,
        known_fetched_at_us: Some(200),
        changed_at_us: None,
        wrong_since_us: Some(200),
    }
}

/// Returns a hold of `a` that the operator has accepted.
fn accepted() -> Hold {
    Hold {
        integration: integration("a"),
        endpoint: tags().name().clone(),
        state: HoldState::Accepted,
        since_us: YEAR_2099 + 6,
        until_us: YEAR_9999 + 20,
        held_rows: 1,
        removed: 1,
        nulled: 0,
        unconfirmed: 0,
        table_rows: 3,
        columns: Vec::new(),
        cause: HoldCause::MassDelete,
        detail: String::new(),
        confirmable_us: Some(YEAR_9999 + 20),
        decided_at_us: None,
        updated_at_us: 1,
    }
}

#[tokio::test]
async fn comparisons_drift_and_holds_come_back_along() {
    let aging = poisoned().await;
    let lake = aging.lake().await;
    let (whose, name) = (integration("a"), tags().name().clone());
    let file = drift::stage(lake.tables(), &whose, &name, "f", vec![drifted()]).await;
    let compared = TableComparison {
        integration: whose,
        endpoint: name,
        snapshot: ObservedAt::from_micros(YEAR_9999 + 12),
        rows: 3,
        drifted: 1,
        files: file.expect("staged").into_iter().collect(),
    };
    drift::commit(lake.tables(), vec![compared])
        .await
        .expect("committed");
    let hold = accepted();
    lake.put_holds(std::slice::from_ref(&hold))
        .await
        .expect("put");
    repair(&lake).await;

    let now_us = aging.clock.now().as_millis() * 1_000;
    let completeness = lake.completeness().await.expect("read");
    let compared: Vec<_> = completeness
        .values()
        .map(|one| one.compared.as_micros())
        .collect();
    assert_eq!(compared, [now_us + 4], "where the snapshot's last row went");
    let all = DriftFilter {
        limit: 9,
        ..DriftFilter::default()
    };
    let found = lake
        .drift(&all)
        .await
        .expect("read")
        .going
        .pop()
        .expect("one");
    assert_eq!(
        (found.fetched_at_us, found.known_fetched_at_us),
        (now_us + 1, Some(200))
    );
    assert_eq!(found.wrong_secs, Some((now_us + 1 - 200) / 1_000_000));
    let expected = Hold {
        since_us: now_us + 1,
        until_us: now_us + 5,
        confirmable_us: Some(now_us + 5 + 24 * 3_600_000_000),
        ..hold
    };
    assert_eq!(lake.holds().await.expect("read"), [expected]);
}

#[tokio::test]
async fn a_clock_that_is_behind_the_stores_repairs_nothing_that_the_store_calls_past() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    let now_us = aging.clock.now().as_millis() * 1_000;
    run(&lake, &delta("a"), &[&[("1", now_us, 1)]], end(1, now_us)).await;
    aging.clock.pass(-DAY_MS);
    assert_eq!(
        ahead(&aging).await.len(),
        1,
        "by this machine's clock alone"
    );
    let report = repair(&aging.lake().await).await;
    assert_eq!(report.ahead, []);
    assert!(
        report.behind.is_some_and(|behind| behind > DAY / 2),
        "{report:?}"
    );
}

#[tokio::test]
async fn the_first_instant_of_the_year_10000_is_brought_back_too() {
    // The instant is beyond what statistics can express, so the log has no bounds for the file.
    let at_us = YEAR_9999 + DAY_MS * 1_000;
    let aging = Aging::new();
    let lake = aging.lake().await;
    run(&lake, &delta("a"), &[&[("1", at_us, 1)]], end(1, at_us)).await;
    let files = lake.files(&tags(), Part::Deltas).await.expect("files");
    assert_eq!(files[0].bounds.observed_us, None);
    later_than_the_store(&aging);
    repair(&lake).await;
    let now_us = aging.clock.now().as_millis() * 1_000;
    assert_eq!(
        stored(&aging.store, Part::Deltas).await,
        rows_of("a", &[("1", now_us, 1)])
    );
}
