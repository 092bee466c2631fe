//! Stores that break a promise lose no row, and keeping an eye on them costs few requests.

use object_store::ObjectStoreExt;

use crate::catalog::Catalog;
use crate::customer::EndUser;
use crate::delta::store::TableStore;
use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::fetch::Fetch;
use crate::ids::Category;
use crate::lake::tests::support::*;
use crate::lake::{FoldSettings, Lake, LakeError, Part, Sealed, UpkeepSettings};
use crate::sink::{Receipt, Registration};

/// Stages a complete fetch with files of its own. Nothing of it is visible.
async fn sealed(lake: &Lake, fetch: &Fetch, row: Row, at: i64) -> Sealed {
    let mut staging = lake.begin(fetch, &tags()).await.expect("begins");
    let rows = batch(&tags(), fetch, &[row]);
    staging.push(rows).await.expect("pushed");
    staging.seal(end(at, at)).await.expect("uploaded")
}

/// Returns the key of the only file of a fetch.
fn file_of(sealed: &Sealed) -> object_store::path::Path {
    let folder = Part::Snapshots.of(tags().name()).path();
    let path = &sealed.files().next().expect("a file").path;
    format!("{folder}/{path}").into()
}

fn must_be_lost(outcome: Result<Receipt, LakeError>) {
    let error = outcome.expect_err("its file is gone");
    assert!(error.is_lost_file(), "{error:?}");
    assert!(error.is_retryable(), "the fetch is repeated");
}

#[tokio::test]
async fn a_fetch_that_was_held_until_vacuum_deleted_its_file_is_refused_and_its_group_is_not() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let (a, b, c) = (snapshot("a"), snapshot("b"), snapshot("c"));
    let kept = sealed(&lake, &a, ("1", 10, 1), 10).await;
    let gone = sealed(&lake, &b, ("2", 11, 1), 11).await;
    let also_kept = sealed(&lake, &c, ("3", 12, 1), 12).await;
    let vacuumed = store.objects().delete(&file_of(&gone)).await;
    vacuumed.expect("deleted");
    let (kept, gone, also_kept) = tokio::join!(kept.commit(), gone.commit(), also_kept.commit());
    kept.expect("committed");
    also_kept.expect("committed");
    must_be_lost(gone);
    let mut expected = rows_of("a", &[("1", 10, 1)]);
    expected.extend(rows_of("c", &[("3", 12, 1)]));
    assert_eq!(stored(&store, Part::Snapshots).await, expected);

    run(&lake, &b, &[&[("2", 20, 1)]], end(20, 20)).await;
    assert_eq!(stored(&store, Part::Snapshots).await.len(), 3);
}

#[tokio::test]
async fn a_file_of_another_length_is_never_committed() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let fetch = snapshot("a");
    let cut = sealed(&lake, &fetch, ("1", 10, 1), 10).await;
    let put = store.objects().put(&file_of(&cut), "PAR1".into()).await;
    put.expect("cut");
    must_be_lost(cut.commit().await);
    assert!(stored(&store, Part::Snapshots).await.is_empty());
}

/// Makes a lake over the same objects that counts its calls.
async fn counted(store: &TableStore) -> (Lake, std::sync::Arc<FaultyStore>) {
    let counter = FaultyStore::new(store.objects().clone(), 0..0, Failure::Before);
    let counting = TableStore::over(counter.clone(), store.url().clone());
    (lake(&counting, &settings()).await, counter)
}

#[tokio::test]
async fn a_commit_costs_one_question_for_each_file_and_one_for_its_entry() {
    let store = TableStore::memory();
    let (lake, counter) = counted(&store).await;
    run(&lake, &delta("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    let before = counter.calls();
    run(&lake, &delta("a"), &[&[("1", 20, 2)]], end(2, 20)).await;
    // Lists the log, puts the file, asks for the file, puts the entry, reads the entry.
    assert_eq!(counter.calls() - before, 5);
}

#[tokio::test]
async fn a_pass_with_nothing_to_do_costs_a_few_requests() {
    let store = TableStore::memory();
    let filled = lake(&store, &settings()).await;
    run(&filled, &snapshot("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    run(&filled, &delta("a"), &[&[("1", 20, 2)]], end(2, 20)).await;
    // As each fetch of the program does: rows of an unknown integration would mean that the registry is lost.
    let known = Registration {
        integration: integration("a"),
        category: Category::Ats,
        origin: "configuration".to_owned(),
        state: "active".to_owned(),
        since_ms: 1,
        state_since_ms: None,
        not_found_since_ms: None,
        environment: None,
        end_user: EndUser::default(),
    };
    drop(filled.register(&[known]).await.expect("registered"));
    let fold = FoldSettings::default();
    filled.fold(&tags(), None, &fold).await.expect("folded");
    let catalog = Catalog::embedded();
    let endpoints = catalog.endpoints();
    assert!(endpoints.len() > 30, "most of them have no table");

    let (lake, counter) = counted(&store).await;
    for endpoint in &lake.there(endpoints).await {
        let report = lake.fold(endpoint, None, &fold).await.expect("folded");
        assert!(report.tables.is_empty());
    }
    assert!(counter.calls() <= 50, "fold: {}", counter.calls());

    let (lake, counter) = counted(&store).await;
    for endpoint in &lake.there(endpoints).await {
        lake.overview(endpoint).await.expect("read");
    }
    assert!(counter.calls() <= 50, "status: {}", counter.calls());

    let (lake, counter) = counted(&store).await;
    let upkeep = UpkeepSettings::default();
    let report = lake.upkeep(endpoints, &upkeep).await.expect("kept up");
    assert!(report.failed.is_empty(), "{report:?}");
    assert!(report.tables.is_empty(), "{report:?}");
    assert!(counter.calls() <= 100, "upkeep: {}", counter.calls());
}
