use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt};

use super::*;
use crate::delta::store::TableStore;
use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::lake::{Lake, LakeSettings};
use crate::time::SystemClock;
use crate::words::with_causes;

fn candidate(name: &str) -> Candidate {
    Candidate {
        integration: IntegrationId::new(name).expect("an id"),
        category: Some(Category::Ats),
        since_ms: 7,
    }
}

async fn lake_over(store: &TableStore) -> Lake {
    let settings = LakeSettings::default();
    let lake = Lake::over(store.clone(), &settings, Arc::new(SystemClock));
    lake.await.expect("a lake in memory")
}

async fn objects(store: &TableStore) -> Vec<Path> {
    let found = store.objects().list(Some(&Path::from(CANDIDATES_FOLDER)));
    let found = found.map_ok(|object| object.location);
    found.try_collect().await.expect("listed")
}

async fn read(store: &TableStore) -> Vec<Candidate> {
    let (known, unread) = lake_over(store).await.candidates().await.expect("read");
    assert!(unread.is_empty(), "{unread:?}");
    known
}

#[tokio::test]
async fn new_candidates_are_added_and_a_list_without_new_ones_replaces_all() {
    let store = TableStore::memory();
    let lake = lake_over(&store).await;
    let (a, b) = (candidate("tool:a"), candidate("tool:b"));
    let unknown = Candidate {
        category: None,
        ..candidate("tool:c")
    };
    let lists = [
        vec![a.clone()],
        vec![a.clone(), b.clone()],
        vec![b.clone(), unknown.clone()],
    ];
    for (before, list) in lists.iter().enumerate() {
        lake.keep_candidates(list).await.expect("kept");
        assert_eq!(objects(&store).await.len(), before + 1);
        let stored = read(&store).await;
        assert!(list.iter().all(|one| stored.contains(one)));
    }
    lake.keep_candidates(&lists[2]).await.expect("kept");
    assert_eq!(
        (read(&store).await, objects(&store).await.len()),
        (vec![b, unknown], 1)
    );
    lake.keep_candidates(&[]).await.expect("kept");
    assert!(objects(&store).await.is_empty());
    assert!(read(&store).await.is_empty());
}

#[tokio::test]
async fn a_thousand_candidates_one_by_one_are_a_few_objects_and_few_bytes() {
    let store = TableStore::memory();
    let lake = lake_over(&store).await;
    let (mut list, mut written) = (Vec::new(), 0);
    for number in 0..1_000 {
        let before = objects(&store).await;
        list.push(candidate(&format!(
            "greenhouse:forged-and-signed-{number:04}"
        )));
        lake.keep_candidates(&list).await.expect("kept");
        let after = objects(&store).await;
        assert!(after.len() <= OBJECTS);
        for path in after.iter().filter(|path| !before.contains(path)) {
            written += store.objects().head(path).await.expect("there").size;
        }
    }
    assert_eq!(read(&store).await.len(), 1_000);
    // Each complete list has 90 KB at most; one for each candidate would be 43 MB.
    assert!(written < 4_000_000, "{written} bytes");
}

#[tokio::test]
async fn what_another_process_stores_meanwhile_is_kept() {
    let store = TableStore::memory();
    let (one, other) = (lake_over(&store).await, lake_over(&store).await);
    let (a, b) = (candidate("tool:a"), candidate("tool:b"));
    one.keep_candidates(std::slice::from_ref(&a))
        .await
        .expect("kept");
    other
        .keep_candidates(std::slice::from_ref(&b))
        .await
        .expect("kept");
    assert_eq!(read(&store).await, [a.clone(), b.clone()]);
    one.keep_candidates(&[]).await.expect("kept");
    let others = read(&store).await;
    assert_eq!(others, std::slice::from_ref(&b), "of the other process");

    // A process that starts takes both over, and puts its own list in their place.
    one.keep_candidates(std::slice::from_ref(&a))
        .await
        .expect("kept");
    let third = lake_over(&store).await;
    assert_eq!(third.candidates().await.expect("read").0, [a.clone(), b]);
    assert_eq!(objects(&store).await.len(), 2);
    third
        .keep_candidates(std::slice::from_ref(&a))
        .await
        .expect("kept");
    assert_eq!(objects(&store).await.len(), 1);
}

#[tokio::test]
async fn a_failure_at_any_call_leaves_the_old_list_or_the_new_one_or_both() {
    let (old, new) = (candidate("tool:old"), candidate("tool:new"));
    for failure in Failure::ALL {
        // Calls 0 and 1 read the layout document and try whether the store overwrites it.
        for call in 2..8 {
            let memory = TableStore::memory();
            let lake = lake_over(&memory).await;
            lake.keep_candidates(std::slice::from_ref(&old))
                .await
                .expect("kept");
            let store = FaultyStore::new(Arc::clone(memory.objects()), call..call + 1, failure);
            let objects: Arc<dyn ObjectStore> = store as _;
            let faulty = lake_over(&TableStore::over(objects, memory.url().clone())).await;
            let first = faulty.candidates().await;
            let both = [old.clone(), new.clone()];
            let added = faulty.keep_candidates(&both).await;
            let stands = read(&memory).await;
            assert!(stands.contains(&old), "{failure:?} at {call}");
            assert!(
                added.is_err() || stands.contains(&new),
                "{failure:?} at {call}"
            );
            // Without new candidates all is replaced. A delete that fails is made up for by a later change.
            for _ in 0..3 {
                let kept = faulty.keep_candidates(std::slice::from_ref(&new)).await;
                let stands = read(&memory).await;
                assert!(
                    kept.is_err() || stands.contains(&new),
                    "{failure:?} at {call}"
                );
            }
            // An object that could not be read stays, since nobody knows what it holds.
            if first.is_ok_and(|(_, unread)| unread.is_empty()) {
                assert_eq!(read(&memory).await, std::slice::from_ref(&new));
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_list_is_named_with_its_cure_and_stays_and_the_cure_works() {
    let store = TableStore::memory();
    let lake = lake_over(&store).await;
    lake.keep_candidates(&[candidate("tool:a")])
        .await
        .expect("kept");
    let [whole] = &objects(&store).await[..] else {
        panic!("one object");
    };
    let damaged = DocumentKey::Candidates(Uuid::new_v4()).path();
    for text in ["", "{\"candidates\":[{\"integr", "[]"] {
        let put = store
            .objects()
            .put(&damaged, text.to_owned().into_bytes().into());
        put.await.expect("put");
        let started = lake_over(&store).await;
        let (known, unread) = started.candidates().await.expect("read");
        assert_eq!(known, [candidate("tool:a")], "what is whole is read");
        let [error] = &unread[..] else {
            panic!("one is damaged: {unread:?}");
        };
        let told = with_causes(error);
        assert!(told.contains(damaged.as_ref()), "{told}");
        assert!(error.advice().starts_with("delete this file"));
        started.keep_candidates(&[]).await.expect("kept");
        assert_eq!(objects(&store).await, std::slice::from_ref(&damaged));
        lake.keep_candidates(&[candidate("tool:a")])
            .await
            .expect("kept");
    }
    assert_ne!(*whole, damaged);
    store.objects().delete(&damaged).await.expect("deleted");
    assert_eq!(read(&store).await, [candidate("tool:a")]);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_neither_read_nor_deleted() {
    let store = TableStore::memory();
    let lake = lake_over(&store).await;
    let foreign = Path::from(format!("{CANDIDATES_FOLDER}/notes.json"));
    let put = store.objects().put(&foreign, "mine".into());
    put.await.expect("put");
    let (known, unread) = lake.candidates().await.expect("read");
    assert!(known.is_empty() && unread.is_empty());
    lake.keep_candidates(&[]).await.expect("kept");
    assert_eq!(objects(&store).await, [foreign]);
}
