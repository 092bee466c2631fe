use std::sync::Arc;

use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::ids::{Category, IntegrationId};
use crate::lake::layout::*;

fn applications() -> EndpointName {
    EndpointName::new(Category::Ats, "applications")
}

fn file(partition: Partition) -> DataFile {
    DataFile {
        partition,
        id: Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
    }
}

async fn put_layout(store: &LakeStore, text: &str) {
    let path = ObjectKey::Layout.path();
    store
        .objects()
        .put(&path, text.to_owned().into())
        .await
        .expect("memory takes it");
}

#[test]
fn every_key_is_exactly_this_text() {
    let applications = applications();
    let snapshots = DeltaTable::Snapshots(applications.clone());
    let deltas = DeltaTable::Deltas(EndpointName::new(Category::Hris, "time-off-balances"));
    let key = IntegrationId::new("personio:CBNMt7dSNCzBdnRTx87dev4E")
        .expect("an id")
        .key();
    let snapshot = file(Partition::Integration(key));
    let delta = file(Partition::CommitDate(20_780));
    let whole = file(Partition::Whole);
    let id = whole.id;
    let keys = [
        ObjectKey::Layout,
        ObjectKey::Status,
        ObjectKey::Repair(&applications),
        ObjectKey::Probe(id),
        ObjectKey::Log(&snapshots),
        ObjectKey::LogEntry(&snapshots, 0),
        ObjectKey::LogEntry(&deltas, 1234),
        ObjectKey::Checkpoint(&DeltaTable::Drift, 100),
        ObjectKey::LastCheckpoint(&DeltaTable::Quarantine),
        ObjectKey::Data(&snapshots, &snapshot),
        ObjectKey::Data(&deltas, &delta),
        ObjectKey::Data(&DeltaTable::Integrations, &whole),
        ObjectKey::Listed(&deltas, "commit_date=2026-11-23/x.parquet"),
    ];
    let expected = [
        "kombo_layout.json",
        "kombo_status.json",
        "ats_applications/kombo_repair.json",
        "kombo_probe/01234567-89ab-4def-8123-456789abcdef",
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
    assert_eq!(keys.each_ref().map(ToString::to_string), expected);
    for (key, expected) in keys.iter().zip(expected) {
        assert_eq!(
            key.path().as_ref(),
            expected,
            "the store sees the same text"
        );
    }
}

#[test]
fn fresh_files_never_share_a_name() {
    let fresh = || DataFile::fresh(Partition::Whole).path();
    assert_ne!(fresh(), fresh());
}

#[tokio::test]
async fn a_layout_is_created_once_and_then_left_alone() {
    let store = LakeStore::memory();
    claim_layout(&store).await.expect("created");
    let path = ObjectKey::Layout.path();
    let read = async || {
        store
            .objects()
            .get(&path)
            .await
            .expect("there")
            .bytes()
            .await
    };
    assert_eq!(read().await.expect("bytes"), r#"{"layout_version":2}"#);
    put_layout(&store, r#"{"layout_version":2,"note":"later"}"#).await;
    claim_layout(&store).await.expect("a known version");
    assert!(read().await.expect("bytes").ends_with(b"later\"}"));
}

#[tokio::test]
async fn every_other_layout_is_refused() {
    for version in [1, 3] {
        let store = LakeStore::memory();
        let other = format!(r#"{{"layout_version":{version},"more":{{}}}}"#);
        put_layout(&store, &other).await;
        for refused in [
            claim_layout(&store).await.expect_err("another layout"),
            find_layout(&store).await.expect_err("another layout"),
        ] {
            assert!(
                matches!(refused, LayoutError::Other { found, ours: 2 } if found == version),
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
        let store = LakeStore::memory();
        put_layout(&store, text).await;
        let error = claim_layout(&store).await.expect_err("garbage");
        assert!(matches!(error, LayoutError::Garbled), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_layout_is_claimed_although_the_answer_was_lost() {
    for failure in [Failure::After, Failure::ConflictAfter] {
        let memory = LakeStore::memory();
        let faulty = FaultyStore::new(Arc::clone(memory.objects()), 1..2, failure);
        let store = LakeStore::over(faulty, memory.url().clone());
        claim_layout(&store).await.expect("read back");
    }
}
