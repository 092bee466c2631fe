//! A table that is lost is named by the tables that know it, and never begun anew.

use std::sync::Arc;

use object_store::ObjectStoreExt;

use crate::customer::EndUser;
use crate::delta::log::{DeltaLog, LogDamageKind};
use crate::delta::store::TableStore;
use crate::ids::Category;
use crate::lake::layout::LakeTable;
use crate::lake::tests::damage::found;
use crate::lake::tests::support::*;
use crate::lake::{FoldSettings, Lake, LakeError, Part};
use crate::sink::Registration;

fn registration() -> Registration {
    Registration {
        integration: integration("a"),
        category: Category::Ats,
        origin: "configuration".to_owned(),
        state: "active".to_owned(),
        since_ms: 1,
        state_since_ms: None,
        not_found_since_ms: None,
        environment: None,
        end_user: EndUser::default(),
    }
}

/// Makes a lake with one integration, and rows in `snapshots`, `deltas` and `current`.
async fn filled() -> TableStore {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    drop(lake.register(&[registration()]).await.expect("registered"));
    run(&lake, &snapshot("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    run(&lake, &delta("a"), &[&[("2", 20, 2)]], end(1, 20)).await;
    fold(&lake).await.expect("folded");
    store
}

async fn fold(lake: &Lake) -> Result<(), LakeError> {
    let folded = lake.fold(&tags(), None, &FoldSettings::default()).await?;
    match folded.aside.into_iter().next() {
        Some(aside) => Err(aside.error),
        None => Ok(()),
    }
}

/// Loses a table's folder as a whole.
async fn lose(store: &TableStore, table: &LakeTable) {
    for path in found(store, &table.to_string(), "").await {
        store.objects().delete(&path).await.expect("deleted");
    }
}

fn assert_missing(error: &LakeError, table: &LakeTable, known_by: &str) {
    let LakeError::Delta(error) = error else {
        panic!("{error}");
    };
    let damage = error.log_damage().unwrap_or_else(|| panic!("{error}"));
    let known_by = known_by.to_owned();
    assert_eq!(damage.kind, LogDamageKind::MissingTable { known_by });
    assert_eq!(damage.file, format!("{table}/_delta_log"));
    assert!(error.is_damage() && !error.is_retryable());
}

#[tokio::test]
async fn lost_snapshots_or_deltas_are_named_by_the_other() {
    for (part, known_by) in [
        (Part::Snapshots, "ats_tags/deltas"),
        (Part::Deltas, "ats_tags/snapshots"),
    ] {
        let store = filled().await;
        let table = part.of(tags().name());
        lose(&store, &table).await;
        let before = objects_in(&store).await;
        let lake = lake(&store, &settings()).await;
        let a = integration("a");
        for error in [
            lake.coverage(&tags(), &a).await.map(drop),
            lake.begin(&snapshot("a"), &tags()).await.map(drop),
            lake.begin(&delta("a"), &tags()).await.map(drop),
            lake.files(&tags(), part).await.map(drop),
            lake.newest(&tags(), &a, "1").await.map(drop),
            lake.overview(&tags()).await.map(drop),
            fold(&lake).await,
        ] {
            assert_missing(&error.expect_err("lost"), &table, known_by);
        }
        assert_eq!(objects_in(&store).await, before, "nothing is created");
    }
}

#[tokio::test]
async fn both_lost_are_named_by_current() {
    let store = filled().await;
    for part in [Part::Snapshots, Part::Deltas] {
        lose(&store, &part.of(tags().name())).await;
    }
    let lake = lake(&store, &settings()).await;
    let error = lake.begin(&snapshot("a"), &tags()).await.map(drop);
    let table = Part::Snapshots.of(tags().name());
    assert_missing(&error.expect_err("lost"), &table, "ats_tags/current");
}

#[tokio::test]
async fn a_lost_registry_is_named_by_any_table_with_rows() {
    let store = filled().await;
    lose(&store, &LakeTable::Integrations).await;
    let before = objects_in(&store).await;
    let lake = lake(&store, &settings()).await;
    for error in [
        lake.registered().await.map(drop),
        lake.register(&[registration()]).await.map(drop),
    ] {
        let error = error.expect_err("lost");
        assert_missing(&error, &LakeTable::Integrations, "ats_tags/snapshots");
    }
    assert_eq!(objects_in(&store).await, before, "nothing is created");
}

#[tokio::test]
async fn a_lost_current_is_made_again() {
    let store = filled().await;
    let before = stored(&store, Part::Current).await;
    lose(&store, &Part::Current.of(tags().name())).await;
    fold(&lake(&store, &settings()).await)
        .await
        .expect("folded");
    assert_eq!(stored(&store, Part::Current).await, before);
}

#[tokio::test]
async fn what_never_existed_is_new() {
    // A lake that was begun and left.
    let store = TableStore::memory();
    drop(lake(&store, &settings()).await);
    let again = lake(&store, &settings()).await;
    assert!(again.registered().await.expect("none").is_empty());
    drop(again.register(&[registration()]).await.expect("registered"));
    // An endpoint with tables and without rows: a fetch began and did not end.
    drop(again.begin(&snapshot("a"), &tags()).await.expect("begins"));
    lose(&store, &LakeTable::Integrations).await;
    lose(&store, &Part::Deltas.of(tags().name())).await;
    let third = lake(&store, &settings()).await;
    assert!(third.registered().await.expect("none").is_empty());
    run(&third, &delta("a"), &[&[("2", 20, 2)]], end(1, 20)).await;
    assert_eq!(stored(&store, Part::Deltas).await.len(), 1);
}

#[tokio::test]
async fn what_was_new_at_the_first_look_may_be_created_after_rows_arrive() {
    let store = TableStore::memory();
    drop(lake(&store, &settings()).await);
    let (one, two) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    assert!(one.registered().await.expect("none").is_empty());
    run(&two, &snapshot("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    drop(one.register(&[registration()]).await.expect("registered"));
    assert_eq!(one.registered().await.expect("rows").len(), 1);
}

#[tokio::test]
async fn an_existing_table_is_found_without_asking_the_others() {
    let store = filled().await;
    let table = Part::Deltas.of(tags().name());
    assert!(DeltaLog::exists(&store, &table.path()).await.expect("read"));
    // The sibling is damaged, and is not asked.
    for path in found(&store, "ats_tags/snapshots/_delta_log", "").await {
        store.objects().put(&path, "".into()).await.expect("put");
    }
    let lake = Arc::new(lake(&store, &settings()).await);
    assert_eq!(
        lake.files(&tags(), Part::Deltas).await.expect("read").len(),
        1
    );
}
