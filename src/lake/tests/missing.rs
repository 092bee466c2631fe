//! Which known rows a new snapshot lacks.

use std::time::Duration;

use arrow::array::AsArray;
use fastrand::Rng;
use tokio::sync::mpsc;

use crate::decode::absent_rows;
use crate::delta::log::{CommitOutcome, Entry};
use crate::delta::store::TableStore;
use crate::fetch::Fetch;
use crate::lake::intake::runs::Sorted;
use crate::lake::layout::of_integration;
use crate::lake::tests::support::*;
use crate::lake::{Lake, LakeSettings, Part, Sealed};
use crate::sink::MissingRows;
use crate::time::{ObservedAt, SecondLook};
use crate::versions::guard::GuardSettings;

async fn setup(settings: &LakeSettings) -> (TableStore, Lake) {
    let store = TableStore::memory();
    // Any two full fetches count, however close together.
    let settings = LakeSettings {
        guard: GuardSettings {
            second_look: SecondLook::after(Duration::ZERO),
        },
        ..settings.clone()
    };
    let lake = lake(&store, &settings).await;
    (store, lake)
}

/// Makes a snapshot with these ids, without committing it.
async fn sealed(lake: &Lake, ids: &[&'static str]) -> Sealed {
    let fetch = snapshot("a");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    for id in ids {
        let rows = batch(&tags(), &fetch, &[(id, 1_000, 1)]);
        staging.push(rows).await.expect("pushed");
    }
    staging.seal(end(2, 1_000)).await.expect("sealed")
}

async fn compared(lake: &Lake, ids: &[&'static str], limit: usize) -> MissingRows {
    let mut sealed = sealed(lake, ids).await;
    sealed
        .missing(limit, Rng::with_seed(1))
        .await
        .expect("compared")
}

/// Returns every missing id, when it was last seen, and whether two snapshots in a row lack it.
async fn missing(lake: &Lake, ids: &[&'static str]) -> Vec<(String, i64, bool)> {
    let mut sealed = sealed(lake, ids).await;
    let MissingRows {
        ids,
        total,
        lacked_twice,
        ..
    } = sealed
        .missing(99, Rng::with_seed(1))
        .await
        .expect("compared");
    let mut missing: Vec<_> = ids
        .into_iter()
        .map(|missing| {
            (
                missing.id,
                missing.last_seen.as_micros(),
                missing.lacked_twice,
            )
        })
        .collect();
    missing.sort();
    assert_eq!(total, missing.len() as u64);
    let twice: Vec<_> = missing.iter().filter(|(_, _, twice)| *twice).collect();
    assert_eq!(lacked_twice, twice.len() as u64);
    let (sender, mut listed) = mpsc::channel(99);
    sealed.lacked_twice(sender).await.expect("listed");
    let mut chunks = Vec::new();
    while let Some(chunk) = listed.recv().await {
        chunks.extend(chunk);
    }
    chunks.sort();
    assert!(chunks.iter().eq(twice.iter().map(|(id, _, _)| id)));
    missing
}

fn lacks(missing: &[(&str, i64, bool)]) -> Vec<(String, i64, bool)> {
    let missing = missing.iter();
    missing
        .map(|(id, at, twice)| ((*id).to_owned(), *at, *twice))
        .collect()
}

/// Commits `absent` rows.
async fn absent(lake: &Lake, ids: &[&str], at: i64) {
    let fetch = delta("a");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let rows = absent_rows(&tags(), &fetch, &ids, ObservedAt::from_micros(at));
    staging.push(rows).await.expect("pushed");
    staging.commit(end(2, at)).await.expect("committed");
}

/// Puts rows into `current`, one file each, as if the snapshot and the deltas up to these instants were folded.
async fn fold(lake: &Lake, rows: &[Row], snapshot: i64, folded: i64) {
    let fetch: Fetch = crate::lake::tests::missing::snapshot("a");
    let table = lake.tables().of_endpoint(&tags(), Part::Current).await;
    let table = table.expect("open");
    let state = table.refreshed().await.expect("read");
    let key = integration("a").key();
    let mut entry = Entry {
        operation: "FOLD",
        ..Entry::default()
    };
    for file in table.live(&state).await.expect("files") {
        entry.removes.push((&*file).into());
    }
    for row in rows {
        let sorted = Sorted::new(vec![batch(&tags(), &fetch, &[*row])]);
        let partition = of_integration(&key);
        let written = table
            .files
            .write(move |form| sorted.encode(form), partition)
            .await;
        entry
            .adds
            .extend(written.expect("written").map(|file| file.add));
    }
    for (name, version) in [("snapshot", snapshot), ("folded", folded)] {
        entry.txns.push((format!("kombo/{key}/{name}"), version));
    }
    let outcome = table.log.commit(&state, entry).await.expect("committed");
    assert!(matches!(outcome, CommitOutcome::Committed { .. }));
}

#[tokio::test]
async fn the_ids_that_a_new_snapshot_lacks_are_named_before_it_is_committed() {
    let (_, lake) = setup(&tiny_runs()).await;
    let pages: [&[Row]; 3] = [
        &[("1", 10, 1), ("2", 11, 1)],
        &[("3", 12, 1)],
        &[("4", 13, 1)],
    ];
    assert_eq!(compared(&lake, &["1"], 9).await, MissingRows::default());
    run(&lake, &snapshot("a"), &pages, end(1, 13)).await;
    run(&lake, &snapshot("b"), &[&[("9", 10, 1)]], end(1, 10)).await;
    assert_eq!(
        missing(&lake, &["3", "1", "5"]).await,
        lacks(&[("2", 11, false), ("4", 13, false)])
    );
    let bounded = compared(&lake, &["3", "1", "5"], 1).await;
    assert_eq!((bounded.ids.len(), bounded.total), (1, 2));
    assert_eq!(
        format!("{bounded:?}"),
        "MissingRows(1 of 2, 0 twice, 0 shown)",
        "ids stay out of logs"
    );
    assert_eq!(compared(&lake, &[], 9).await.total, 4);
}

#[tokio::test]
async fn a_delta_lacks_nothing() {
    let (_, lake) = setup(&settings()).await;
    run(&lake, &snapshot("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    let staging = lake.begin(&delta("a"), &tags()).await.expect("begins");
    let mut sealed = staging.seal(end(2, 20)).await.expect("sealed");
    assert_eq!(
        sealed
            .missing(9, Rng::with_seed(1))
            .await
            .expect("compared"),
        MissingRows::default()
    );
}

#[tokio::test]
async fn deltas_since_the_snapshot_count_and_the_newest_says_whether_a_row_is_there() {
    let (_, lake) = setup(&settings()).await;
    run(&lake, &delta("a"), &[&[("old", 5, 1)]], end(1, 5)).await;
    let rows: [Row; 3] = [("1", 10, 1), ("2", 11, 1), ("3", 12, 1)];
    run(&lake, &snapshot("a"), &[&rows], end(1, 12)).await;
    run(
        &lake,
        &delta("a"),
        &[&[("2", 20, 2), ("4", 21, 2)]],
        end(1, 21),
    )
    .await;
    run(&lake, &delta("b"), &[&[("5", 30, 2)]], end(1, 30)).await;
    absent(&lake, &["3", "4"], 40).await;
    run(&lake, &delta("a"), &[&[("4", 50, 3)]], end(1, 50)).await;
    assert_eq!(
        missing(&lake, &["1"]).await,
        lacks(&[("2", 20, false), ("4", 50, false)])
    );
    let as_of = compared(&lake, &["1"], 9).await.as_of;
    assert_eq!(as_of, Some(ObservedAt::from_micros(50)));
}

#[tokio::test]
async fn a_row_that_the_snapshot_has_as_deleted_is_not_missing() {
    let (_, lake) = setup(&settings()).await;
    let fetch = snapshot("a");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    let gone = absent_rows(
        &tags(),
        &fetch,
        &["1".to_owned()],
        ObservedAt::from_micros(9),
    );
    staging.push(gone).await.expect("pushed");
    let there = batch(&tags(), &fetch, &[("2", 10, 1)]);
    staging.push(there).await.expect("pushed");
    staging.commit(end(1, 10)).await.expect("committed");
    assert_eq!(missing(&lake, &[]).await, lacks(&[("2", 10, false)]));
}

#[tokio::test]
async fn what_is_folded_is_known_though_the_snapshot_lacks_it() {
    let (_, lake) = setup(&settings()).await;
    let live: [Row; 2] = [("1", 100, 2), ("2", 101, 2)];
    run(
        &lake,
        &delta("a"),
        &[&[("3", 50, 1), ("4", 51, 1)]],
        end(1, 51),
    )
    .await;
    run(&lake, &snapshot("a"), &[&live], end(1, 101)).await;
    let folded = [live[0], live[1], ("3", 50, 1), ("4", 51, 1)];
    fold(&lake, &folded, 101, 101).await;
    assert_eq!(
        missing(&lake, &["1"]).await,
        lacks(&[("2", 101, false), ("3", 50, true), ("4", 51, true)])
    );
    // Not folded yet: row 3 is gone, row 4 is back, and row 5 is new.
    absent(&lake, &["3"], 200).await;
    run(
        &lake,
        &delta("a"),
        &[&[("4", 300, 3), ("5", 301, 3)]],
        end(1, 301),
    )
    .await;
    assert_eq!(
        missing(&lake, &["1"]).await,
        lacks(&[("2", 101, false), ("4", 300, false), ("5", 301, false)])
    );
    // Everything is folded, and `deltas` has nothing to add.
    let folded = [live[0], live[1], ("4", 300, 3), ("5", 301, 3)];
    fold(&lake, &folded, 101, 301).await;
    assert_eq!(
        missing(&lake, &["1"]).await,
        lacks(&[("2", 101, false), ("4", 300, false), ("5", 301, false)])
    );
}

#[tokio::test]
async fn a_snapshot_that_is_not_folded_yet_counts_before_what_is() {
    let (_, lake) = setup(&tiny_runs()).await;
    let first: [Row; 4] = [("1", 10, 1), ("2", 11, 1), ("3", 12, 1), ("4", 13, 1)];
    run(&lake, &snapshot("a"), &[&first], end(1, 13)).await;
    fold(&lake, &first, 13, 13).await;
    run(&lake, &delta("a"), &[&[("4", 150, 2)]], end(1, 150)).await;
    // Like `backfill --confirm`: nothing is folded between the two full fetches.
    let second: [Row; 2] = [("1", 100, 2), ("2", 101, 2)];
    run(&lake, &snapshot("a"), &[&second], end(1, 101)).await;
    assert_eq!(
        missing(&lake, &["1"]).await,
        lacks(&[("2", 101, false), ("3", 12, true), ("4", 150, false)])
    );
}

#[tokio::test]
async fn a_removal_that_is_folded_counts_against_a_snapshot_that_is_not() {
    let (_, lake) = setup(&settings()).await;
    run(&lake, &snapshot("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    absent(&lake, &["1"], 150).await;
    fold(&lake, &[], 10, 150).await;
    // The row was deleted while this snapshot was fetched.
    run(&lake, &snapshot("a"), &[&[("1", 100, 1)]], end(1, 160)).await;
    assert_eq!(missing(&lake, &[]).await, []);
}

#[tokio::test]
async fn files_of_deltas_that_can_say_nothing_new_are_not_read() {
    let (store, lake) = setup(&settings()).await;
    run(&lake, &snapshot("a"), &[&[("1", 900, 1)]], end(1, 900)).await;
    run(&lake, &delta("a"), &[&[("1", 1_000, 1)]], end(1, 1_000)).await;
    run(&lake, &delta("b"), &[&[("1", 9_000, 1)]], end(1, 9_000)).await;
    run(&lake, &delta("a"), &[&[("2", 9_000, 1)]], end(1, 9_000)).await;
    fold(&lake, &[("1", 1_000, 1)], 900, 5_000).await;
    let files = lake.files(&tags(), Part::Deltas).await.expect("files");
    let folder = Part::Deltas.of(tags().name()).path();
    let mut deleted = 0;
    for file in files {
        let (key, position) = (integration("a").key(), ObservedAt::from_micros(5_000));
        if !file.may_hold(key.as_str(), Some(position)) {
            let path = format!("{folder}/{}", file.path);
            let objects = store.objects();
            object_store::ObjectStoreExt::delete(&**objects, &path.into())
                .await
                .expect("deleted");
            deleted += 1;
        }
    }
    assert_eq!(deleted, 2, "what is folded, and what is another's");
    assert_eq!(
        missing(&lake, &[]).await,
        lacks(&[("1", 1_000, false), ("2", 9_000, false)])
    );
}

#[tokio::test]
async fn what_a_snapshot_shows_as_deleted_is_said_again_with_its_values_if_it_was_known() {
    let (_, lake) = setup(&tiny_runs()).await;
    let rows: [Row; 4] = [("1", 10, 1), ("2", 11, 1), ("3", 12, 1), ("4", 13, 1)];
    run(&lake, &snapshot("a"), &[&rows], end(1, 13)).await;
    run(&lake, &delta("a"), &[&[("3", 20, 2)]], end(1, 20)).await;
    absent(&lake, &["4"], 30).await;
    // The row was seen again after the new snapshot began.
    run(&lake, &delta("a"), &[&[("2", 1_100, 2)]], end(1, 1_100)).await;
    let fetch = snapshot("a");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    for (id, at) in [
        ("1", 1_000),
        ("2", 1_001),
        ("3", 1_002),
        ("4", 1_003),
        ("5", 1_004),
    ] {
        let gone = absent_rows(
            &tags(),
            &fetch,
            &[id.to_owned()],
            ObservedAt::from_micros(at),
        );
        staging.push(gone).await.expect("pushed");
    }
    let there = batch(&tags(), &fetch, &[("6", 1_005, 1)]);
    staging.push(there).await.expect("pushed");
    let mut sealed = staging.seal(end(2, 1_005)).await.expect("sealed");
    for _ in 0..2 {
        let compared = sealed
            .missing(9, Rng::with_seed(1))
            .await
            .expect("compared");
        assert_eq!((compared.total, compared.shown), (1, 2), "2 is read");
        let (sender, mut told) = mpsc::channel(9);
        sealed.tombstones(sender).await.expect("told");
        let mut ids = Vec::new();
        while let Some(rows) = told.recv().await {
            assert_eq!(rows.schema(), tags().schema());
            let text = |name: &str| rows.column_by_name(name).expect("there").as_string::<i32>();
            assert_eq!(
                text("integration_key").value(0),
                integration("a").key().as_str()
            );
            assert_eq!(text("_fetch_id").value(0), fetch.id.to_string());
            ids.extend(text("id").iter().flatten().map(str::to_owned));
        }
        ids.sort();
        assert_eq!(ids, ["1", "3"]);
    }
}
