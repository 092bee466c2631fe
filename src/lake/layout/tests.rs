use object_store::ObjectStoreExt as _;

use std::sync::Arc;

use uuid::Uuid;

use crate::delta::object_key::{DataFileName, ObjectKey};
use crate::delta::store::faulty::{Failure, FaultyStore, overwriting};
use crate::ids::{Category, IntegrationId};
use crate::lake::layout::*;

fn applications() -> EndpointName {
    EndpointName::new(Category::Ats, "applications")
}

fn file(partition: Partition) -> DataFileName {
    let id = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
    DataFileName::named(partition, id)
}

async fn put_layout(store: &TableStore, text: &str) {
    let path = DocumentKey::Layout.path();
    store
        .objects()
        .put(&path, text.to_owned().into())
        .await
        .expect("memory takes it");
}

#[test]
fn every_key_is_exactly_this_text() {
    let applications = applications();
    let snapshots = LakeTable::Snapshots(applications.clone()).path();
    let deltas = LakeTable::Deltas(EndpointName::new(Category::Hris, "time-off-balances")).path();
    let [drift, quarantine, integrations] = [
        LakeTable::Drift,
        LakeTable::Quarantine,
        LakeTable::Integrations,
    ]
    .map(|table| table.path());
    let id = IntegrationId::new("personio:CBNMt7dSNCzBdnRTx87dev4E").expect("an id");
    let snapshot = file(of_integration(&id.key()));
    let delta = file(of_day(20_780));
    let whole = file(Partition::Whole);
    let keys: Vec<(String, Path)> = [
        DocumentKey::Layout,
        DocumentKey::Status(&InstanceId::new("a1").expect("plain")),
        DocumentKey::Candidates(Uuid::nil()),
        DocumentKey::Repair(&applications),
    ]
    .iter()
    .map(|key| (key.to_string(), key.path()))
    .chain(
        [
            ObjectKey::Log(&snapshots),
            ObjectKey::LogEntry(&snapshots, 0),
            ObjectKey::LogEntry(&deltas, 1234),
            ObjectKey::Checkpoint(&drift, 100),
            ObjectKey::LastCheckpoint(&quarantine),
            ObjectKey::Data(&snapshots, &snapshot),
            ObjectKey::Data(&deltas, &delta),
            ObjectKey::Data(&integrations, &whole),
            ObjectKey::Listed(&deltas, "commit_date=2026-11-23/x.parquet"),
        ]
        .iter()
        .map(|key| (key.to_string(), key.path())),
    )
    .collect();
    let expected = [
        "kombo_layout.json",
        "kombo_status/a1.json",
        "kombo_candidates/00000000-0000-0000-0000-000000000000.json",
        "ats_applications/kombo_repair.json",
        "ats_applications/snapshots/_delta_log",
        "ats_applications/snapshots/_delta_log/00000000000000000000.json",
        "hris_time_off_balances/deltas/_delta_log/00000000000000001234.json",
        "kombo_drift/_delta_log/00000000000000000100.checkpoint.parquet",
        "kombo_quarantine/_delta_log/_last_checkpoint",
        "ats_applications/snapshots/integration_key=personio-cbnmt7dsnczbdnrtx87dev4e-9a0b4e49c2967792aee3db4a261630e4/part-01234567-89ab-4def-8123-456789abcdef.zstd.parquet",
        "hris_time_off_balances/deltas/commit_date=2026-11-23/part-01234567-89ab-4def-8123-456789abcdef.zstd.parquet",
        "kombo_integrations/part-01234567-89ab-4def-8123-456789abcdef.zstd.parquet",
        "hris_time_off_balances/deltas/commit_date=2026-11-23/x.parquet",
    ];
    assert_eq!(keys.len(), expected.len());
    for ((key, path), expected) in keys.iter().zip(expected) {
        assert_eq!(key, expected);
        assert_eq!(path.as_ref(), expected, "the store sees the same text");
    }
}

#[test]
fn fresh_files_never_share_a_name() {
    let fresh = || DataFileName::fresh(Partition::Whole).path();
    assert_ne!(fresh(), fresh());
}

#[tokio::test]
async fn a_layout_is_created_once_and_then_left_alone() {
    let store = TableStore::memory();
    claim_layout(&store).await.expect("created");
    let path = DocumentKey::Layout.path();
    let read = async || {
        store
            .objects()
            .get(&path)
            .await
            .expect("there")
            .bytes()
            .await
    };
    assert_eq!(read().await.expect("bytes"), r#"{"layout_version":3}"#);
    put_layout(&store, r#"{"layout_version":3,"note":"later"}"#).await;
    claim_layout(&store).await.expect("a known version");
    assert!(read().await.expect("bytes").ends_with(b"later\"}"));
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused_at_each_start_and_left_empty() {
    let memory = TableStore::memory();
    let store = TableStore::over(overwriting(memory.objects()), memory.url().clone());
    for start in ["the first", "the second"] {
        let refused = claim_layout(&store).await.expect_err(start);
        assert!(matches!(refused, LayoutError::NoPutIfAbsent), "{refused}");
        let left = find_layout(&memory).await.expect("readable");
        assert!(!left, "{start} start left a lake behind");
    }
    // A lake that was copied to such a store.
    claim_layout(&memory).await.expect("created");
    let refused = claim_layout(&store).await.expect_err("overwrites");
    assert!(matches!(refused, LayoutError::NoPutIfAbsent), "{refused}");
    assert!(find_layout(&memory).await.expect("readable"), "it stays");
}

#[tokio::test]
async fn every_other_layout_is_refused() {
    for version in [1, 2, 4] {
        let store = TableStore::memory();
        let other = format!(r#"{{"layout_version":{version},"more":{{}}}}"#);
        put_layout(&store, &other).await;
        for refused in [
            claim_layout(&store).await.expect_err("another layout"),
            find_layout(&store).await.expect_err("another layout"),
        ] {
            assert!(
                matches!(refused, LayoutError::Other { found, ours: 3 } if found == version),
                "{refused}"
            );
        }
    }
}

#[tokio::test]
async fn a_layout_that_is_none_is_told_as_such() {
    for text in [
        "",
        "hello",
        "[]",
        "[1]",
        r#"{"layout_version":"1"}"#,
        r#"{"layout_version":0}"#,
    ] {
        let store = TableStore::memory();
        put_layout(&store, text).await;
        let error = claim_layout(&store).await.expect_err("garbage");
        assert!(matches!(error, LayoutError::Garbled), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_layout_is_claimed_although_the_answer_was_lost() {
    for failure in [Failure::After, Failure::ConflictAfter] {
        let memory = TableStore::memory();
        // The document is read, the folders are listed, and then the document is put.
        let faulty = FaultyStore::new(Arc::clone(memory.objects()), 2..3, failure);
        let store = TableStore::over(faulty, memory.url().clone());
        claim_layout(&store).await.expect("read back");
    }
}

#[tokio::test]
async fn a_lake_whose_document_is_gone_is_not_begun_anew() {
    let store = TableStore::memory();
    claim_layout(&store).await.expect("created");
    let put = async |key: Path, content: String| {
        let put = store.objects().put(&key, content.into());
        put.await.map(drop).expect("put");
    };
    let entry = "kombo_integrations/_delta_log/00000000000000000000.json";
    put(entry.into(), "{}".to_owned()).await;
    let document = DocumentKey::Layout.path();
    store.delete(&document).await.expect("deleted");
    for error in [
        claim_layout(&store).await.map(drop).expect_err("lost"),
        find_layout(&store).await.map(drop).expect_err("lost"),
    ] {
        let LayoutError::Lost { folder } = &error else {
            panic!("{error}");
        };
        assert_eq!(folder, "kombo_integrations");
    }
    let cure = format!(r#"{{"layout_version":{LAYOUT_VERSION}}}"#);
    put(document, cure).await;
    assert!(find_layout(&store).await.expect("a lake again"));
}

#[test]
fn keys_of_the_lease_are_listed_in_the_order_of_their_numbers() {
    let keys = [DocumentKey::Lease(7, 12), DocumentKey::LeaseReleased(7)];
    assert_eq!(
        keys.map(|key| key.path().to_string()),
        [
            "kombo_lease/00000000000000000007/00000000000000000012.json",
            "kombo_lease/00000000000000000007/released.json",
        ]
    );
}
