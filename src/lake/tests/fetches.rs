//! The content of the lake after several fetches.

use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;

use crate::catalog::Catalog;
use crate::customer::EndUser;
use crate::delta::store::TableStore;
use crate::fetch::FetchEnd;
use crate::ids::Category;
use crate::lake::tests::support::*;
use crate::lake::{Lake, LakeError, Part};
use crate::sink::{Receipt, Registration};
use crate::time::{Base, ObservedAt, Tier};

#[tokio::test]
async fn a_snapshot_replaces_its_integrations_rows_and_no_others() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    run(
        &lake,
        &snapshot("a"),
        &[&[("1", 10, 1), ("2", 11, 1)]],
        end(1, 11),
    )
    .await;
    run(&lake, &snapshot("b"), &[&[("1", 10, 5)]], end(1, 10)).await;
    let receipt = run(&lake, &snapshot("a"), &[&[("3", 20, 2)]], end(2, 20)).await;
    assert!(
        matches!(
            receipt,
            Receipt::Committed {
                rows: 1,
                files: 1,
                ..
            }
        ),
        "{receipt:?}"
    );
    let expected = [rows_of("a", &[("3", 20, 2)]), rows_of("b", &[("1", 10, 5)])].concat();
    assert_eq!(stored(&store, Part::Snapshots).await, expected);
}

#[tokio::test]
async fn a_fetch_creates_both_tables_so_that_readers_can_union_them() {
    for fetch in [snapshot("a"), delta("a")] {
        let store = TableStore::memory();
        let lake = lake(&store, &settings()).await;
        drop(lake.begin(&fetch, &tags()).await.expect("begins"));
        for part in [Part::Snapshots, Part::Deltas] {
            let folder = part.of(tags().name()).path();
            let first = format!("{folder}/_delta_log/{:020}.json", 0);
            let found = store.objects().head(&first.clone().into()).await;
            assert!(found.is_ok(), "{first} is not there");
        }
    }
}

#[tokio::test]
async fn asking_what_is_there_writes_nothing() {
    let store = TableStore::memory();
    let found = Lake::over_existing(store.clone(), &settings(), TestClock::new()).await;
    assert!(found.expect("readable").is_none(), "nobody made a lake");
    drop(lake(&store, &settings()).await);
    let found = Lake::over_existing(store.clone(), &settings(), TestClock::new()).await;
    let lake = found.expect("readable").expect("somebody made a lake");
    for part in [Part::Snapshots, Part::Deltas] {
        let files = lake.files(&tags(), part).await.expect("files");
        assert!(files.is_empty());
    }
    let listed: Vec<_> = store
        .objects()
        .list(None)
        .try_collect()
        .await
        .expect("listed");
    let names: Vec<_> = listed
        .iter()
        .map(|object| object.location.as_ref())
        .collect();
    assert_eq!(names, ["kombo_layout.json"]);
}

#[tokio::test]
async fn a_snapshot_of_no_rows_is_a_commit() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    run(&lake, &snapshot("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    run(&lake, &snapshot("a"), &[], end(2, 20)).await;
    assert_eq!(stored(&store, Part::Snapshots).await, []);
    let coverage = lake
        .coverage(&tags(), &integration("a"))
        .await
        .expect("coverage");
    assert_eq!(coverage.snapshot_base, Some(Base::from_millis(2)));
    assert_eq!(coverage.seen, Some(ObservedAt::from_micros(20)));
}

#[tokio::test]
async fn a_delta_adds_and_its_base_is_there_after_a_restart() {
    let store = TableStore::memory();
    {
        let lake = lake(&store, &settings()).await;
        run(&lake, &snapshot("a"), &[&[("1", 10, 1)]], end(100, 10)).await;
        run(&lake, &delta("a"), &[&[("1", 20, 2)]], end(200, 20)).await;
        run(&lake, &delta("a"), &[&[("1", 30, 3)]], end(300, 30)).await;
    }
    let deltas = rows_of("a", &[("1", 20, 2), ("1", 30, 3)]);
    assert_eq!(stored(&store, Part::Deltas).await, deltas);
    let lake = lake(&store, &settings()).await;
    let coverage = lake
        .coverage(&tags(), &integration("a"))
        .await
        .expect("coverage");
    let bases = Tier::ALL.map(|tier| coverage.bases.get(tier).map(Base::as_millis));
    assert_eq!(bases, [Some(300), Some(100), Some(100)]);
    assert_eq!(coverage.snapshot_base, Some(Base::from_millis(100)));
    assert_eq!(coverage.seen, Some(ObservedAt::from_micros(30)));
}

#[tokio::test]
async fn without_a_base_rows_are_kept_and_no_base_moves() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let no_base = FetchEnd {
        base: None,
        ..end(0, 20)
    };
    run(&lake, &delta("a"), &[&[("1", 20, 2)]], no_base).await;
    let coverage = lake
        .coverage(&tags(), &integration("a"))
        .await
        .expect("coverage");
    assert_eq!(Tier::ALL.map(|tier| coverage.bases.get(tier)), [None; 3]);
    assert_eq!(
        stored(&store, Part::Deltas).await,
        rows_of("a", &[("1", 20, 2)])
    );
}

#[tokio::test]
async fn a_base_never_goes_back() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    run(&lake, &delta("a"), &[], end(300, 30)).await;
    run(&lake, &delta("a"), &[], end(200, 20)).await;
    run(&lake, &snapshot("a"), &[], end(100, 10)).await;
    let coverage = lake
        .coverage(&tags(), &integration("a"))
        .await
        .expect("coverage");
    assert_eq!(
        coverage.bases.get(Tier::Ordinary),
        Some(Base::from_millis(300))
    );
    assert_eq!(coverage.snapshot_base, Some(Base::from_millis(100)));
    assert!(coverage.seen > Some(ObservedAt::from_micros(30)));
}

#[tokio::test]
async fn a_dropped_fetch_leaves_nothing_visible() {
    let store = TableStore::memory();
    let lake = lake(&store, &tiny_runs()).await;
    let fetch = snapshot("a");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    for id in ["1", "2", "3"] {
        let rows = batch(&tags(), &fetch, &[(id, 10, 1)]);
        staging.push(rows).await.expect("pushed");
    }
    drop(staging);
    assert_eq!(stored(&store, Part::Snapshots).await, []);
    let coverage = lake
        .coverage(&tags(), &integration("a"))
        .await
        .expect("coverage");
    assert_eq!(coverage, crate::sink::Coverage::default());
}

#[tokio::test]
async fn of_an_id_that_comes_twice_the_newest_observation_stays() {
    let pages: [&[Row]; 4] = [
        &[("1", 10, 1), ("2", 11, 1), ("3", 12, 1)],
        &[("2", 20, 2), ("4", 21, 2)],
        &[("3", 9, 3), ("5", 30, 3), ("5", 31, 4)],
        &[("2", 15, 5)],
    ];
    let newest = [
        ("1", 10, 1),
        ("2", 20, 2),
        ("3", 12, 1),
        ("4", 21, 2),
        ("5", 31, 4),
    ];
    for settings in [settings(), tiny_runs()] {
        let store = TableStore::memory();
        let lake = lake(&store, &settings).await;
        for (fetch, part) in [(snapshot("a"), Part::Snapshots), (delta("a"), Part::Deltas)] {
            let receipt = run(&lake, &fetch, &pages, end(1, 31)).await;
            assert_eq!(stored(&store, part).await, rows_of("a", &newest));
            assert!(
                matches!(receipt, Receipt::Committed { rows: 5, .. }),
                "{receipt:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_walk_repeated_as_a_whole_leaves_the_second_one_only() {
    let store = TableStore::memory();
    let lake = lake(&store, &tiny_runs()).await;
    let walk = |at: i64| {
        [
            [("1", at, at), ("2", at, at)],
            [("3", at, at), ("4", at, at)],
        ]
    };
    let (first, second) = (walk(10), walk(20));
    let pages: Vec<&[Row]> = first
        .iter()
        .chain(&second)
        .map(<[Row; 2]>::as_slice)
        .collect();
    let receipt = run(&lake, &snapshot("a"), &pages, end(1, 20)).await;
    assert!(
        matches!(
            receipt,
            Receipt::Committed {
                rows: 4,
                files: 2,
                ..
            }
        ),
        "{receipt:?}"
    );
    assert_eq!(
        stored(&store, Part::Snapshots).await,
        rows_of("a", &second.concat())
    );
}

#[tokio::test]
async fn rows_of_another_integration_are_refused() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let mut staging = lake.begin(&snapshot("a"), &tags()).await.expect("begins");
    let foreign = batch(&tags(), &snapshot("b"), &[("1", 10, 1)]);
    let refused = staging.push(foreign).await;
    assert!(
        matches!(refused, Err(LakeError::ForeignRows { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_batch_with_other_columns_is_refused() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let fetch = snapshot("a");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    let roles = Catalog::embedded().find("ats/users").expect("known");
    let refused = staging.push(batch(roles, &fetch, &[("1", 10, 1)])).await;
    assert!(
        matches!(refused, Err(LakeError::Columns { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_wider_schema_and_an_older_one_write_to_the_same_table() {
    let wider = wider_tags();
    let store = TableStore::memory();
    let (old, new) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    run(&old, &delta("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    let fetch = delta("a");
    let mut staging = new.begin(&fetch, &wider).await.expect("begins");
    let rows = batch(&wider, &fetch, &[("1", 20, 2)]);
    staging.push(rows).await.expect("pushed");
    staging.commit(end(2, 20)).await.expect("committed");
    run(&old, &delta("a"), &[&[("1", 30, 3)]], end(3, 30)).await;
    let expected = rows_of("a", &[("1", 10, 1), ("1", 20, 2), ("1", 30, 3)]);
    assert_eq!(stored(&store, Part::Deltas).await, expected);
    let table = new.tables().of_endpoint(&wider, Part::Deltas).await;
    let table = table.expect("open");
    let state = table.refreshed().await.expect("state");
    assert!(state.schema().field_with_name("added").is_ok());
}

#[tokio::test]
async fn a_layout_from_the_future_asks_for_another_configuration() {
    let store = TableStore::memory();
    let future = r#"{"layout_version": 99}"#.into();
    let put = store
        .objects()
        .put(&"kombo_layout.json".into(), future)
        .await;
    put.expect("put");
    let error = crate::lake::Lake::over(store, &settings(), TestClock::new())
        .await
        .expect_err("refused");
    assert!(
        error.is_configuration() && !error.is_retryable(),
        "{error:?}"
    );
}

fn registration(name: &str, state: &str, since_ms: i64) -> Registration {
    Registration {
        integration: integration(name),
        category: Category::Ats,
        origin: "configuration".to_owned(),
        state: state.to_owned(),
        since_ms,
        state_since_ms: Some(since_ms),
        not_found_since_ms: None,
        environment: None,
        end_user: EndUser::default(),
    }
}

#[tokio::test]
async fn what_two_processes_register_is_all_there_once() {
    let store = TableStore::memory();
    let (one, two) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    one.registered().await.expect("empty");
    drop(
        two.register(&[registration("b", "active", 1)])
            .await
            .expect("registered"),
    );
    drop(
        one.register(&[registration("a", "active", 2)])
            .await
            .expect("registered"),
    );
    drop(
        two.register(&[registration("a", "inactive", 9)])
            .await
            .expect("registered"),
    );
    let expected = [
        Registration {
            state_since_ms: Some(9),
            ..registration("a", "inactive", 2)
        },
        registration("b", "active", 1),
    ];
    assert_eq!(one.registered().await.expect("registered"), expected);
}

#[tokio::test]
async fn a_deletion_that_another_process_has_seen_refuted_is_written_down_as_a_suspicion() {
    let store = TableStore::memory();
    let (service, backfill) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    let missing = |state: &str, since_ms| Registration {
        not_found_since_ms: Some(5),
        ..registration("a", state, since_ms)
    };
    let told = [missing("deleting", 5)];
    let stands = service.register(&told).await.expect("registered");
    assert_eq!(stands.going, told);
    let active = [registration("a", "active", 7)];
    drop(backfill.register_named(&active).await.expect("registered"));
    let stands = service.register(&[missing("deleted", 90)]).await;
    let stands = stands.expect("registered").going;
    assert_eq!(stands[0].state, "deleting");
    assert_eq!(stands[0].not_found_since_ms, Some(90));
    assert_eq!(backfill.registered().await.expect("read"), stands);
}
