use std::sync::Arc;

use object_store::ObjectStoreExt;

use super::*;
use crate::delta::store::faulty::{Failure, FaultyStore};

fn holder() -> LeaseHolder {
    let terms = LeaseTerms::new(Duration::from_secs(30));
    LeaseHolder::new(Some("here".to_owned()), None, terms)
}

fn renewal(epoch: u64, number: u64) -> Renewal {
    Renewal { epoch, number }
}

fn faulty(store: &TableStore, failing: std::ops::Range<usize>, failure: Failure) -> LeaseObjects {
    let objects = FaultyStore::new(Arc::clone(store.objects()), failing, failure);
    LeaseObjects(TableStore::over(objects, store.url().clone()))
}

#[tokio::test]
async fn the_latest_object_says_who_holds_and_whether_the_lease_was_given_back() {
    let lease = LeaseObjects(TableStore::memory());
    assert_eq!(lease.latest().await.expect("read"), None);
    let (one, other) = (holder(), holder());
    assert!(lease.put(Renewal::claim(1), &one).await.expect("put"));
    assert!(lease.put(renewal(1, 10), &one).await.expect("put"));
    assert!(lease.put(renewal(1, 9), &one).await.expect("put"));
    let mut latest = StoredLease {
        renewal: renewal(1, 10),
        holder: Some(one.clone()),
        is_released: false,
    };
    assert_eq!(lease.latest().await.expect("read"), Some(latest.clone()));
    lease.release(1, &one).await.expect("released");
    latest.is_released = true;
    assert_eq!(lease.latest().await.expect("read"), Some(latest));
    assert!(!lease.is_overtaken(1).await.expect("read"));
    assert!(lease.put(Renewal::claim(2), &other).await.expect("put"));
    assert!(lease.is_overtaken(1).await.expect("read"));
    let latest = lease.latest().await.expect("read").expect("held");
    assert_eq!((latest.holder, latest.is_released), (Some(other), false));
}

#[tokio::test]
async fn of_two_claims_of_an_epoch_one_is_found() {
    let lease = LeaseObjects(TableStore::memory());
    let (one, other) = (holder(), holder());
    assert!(lease.put(Renewal::claim(1), &one).await.expect("put"));
    assert!(!lease.put(Renewal::claim(1), &other).await.expect("put"));
    // The same put again, as a store client does after a lost answer.
    assert!(lease.put(Renewal::claim(1), &one).await.expect("put"));
}

#[tokio::test]
async fn whatever_a_failed_put_did_is_read_back() {
    for failure in Failure::ALL {
        let store = TableStore::memory();
        let one = holder();
        let lease = faulty(&store, 0..1, failure);
        let put = lease.put(Renewal::claim(1), &one).await;
        let stored = LeaseObjects(store).latest().await.expect("read");
        let is_there = stored.is_some_and(|stored| stored.holder == Some(one));
        // A put whose object is there is a success, and a put without an object is an error.
        assert_eq!(put.ok(), is_there.then_some(true), "{failure:?}");
    }
}

#[tokio::test]
async fn old_epochs_are_deleted_also_when_half_of_them_is_gone() {
    let store = TableStore::memory();
    let lease = LeaseObjects(store.clone());
    for old in [
        renewal(1, 5),
        Renewal::claim(2),
        renewal(2, 1),
        Renewal::claim(3),
    ] {
        lease.put(old, &holder()).await.expect("put");
    }
    lease.release(1, &holder()).await.expect("released");
    let foreign = Path::from("kombo_lease/README");
    let put = store.objects().put(&foreign, "mine".into()).await;
    put.expect("put");
    lease.delete_before(3).await;
    let listed = lease.list().await.expect("listed");
    assert_eq!(listed, (vec![Renewal::claim(3)], Vec::new()));
    store
        .read(&foreign)
        .await
        .expect("a file of somebody else stays");
}

#[tokio::test]
async fn an_epoch_leaves_no_folder_on_a_local_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    let store = TableStore::open(&place, &std::collections::BTreeMap::new()).expect("a store");
    let lease = LeaseObjects(store);
    for old in [Renewal::claim(1), renewal(1, 1), Renewal::claim(2)] {
        assert!(lease.put(old, &holder()).await.expect("put"));
    }
    lease.release(1, &holder()).await.expect("released");
    lease.delete_before(2).await;
    let left = std::fs::read_dir(folder.path().join(LEASE_FOLDER)).expect("a folder");
    assert_eq!(left.count(), 1);
}

#[tokio::test]
async fn a_damaged_object_names_no_holder() {
    let store = TableStore::memory();
    let claim = key(Renewal::claim(4));
    let put = store.create(&claim, Bytes::from_static(b"{"));
    put.await.expect("put");
    let latest = LeaseObjects(store).latest().await.expect("read");
    let latest = latest.expect("an object");
    assert_eq!((latest.renewal.epoch, latest.holder), (4, None));
}
