//! What a log refuses: other shapes, newer protocols, holes, damage.

use crate::delta::log::tests::*;
use crate::delta::object_key::ObjectKey;

#[tokio::test]
async fn a_table_that_does_not_fit_is_refused_when_it_is_opened() {
    let store = TableStore::memory();
    open(&store).await;
    let mut other = shape(&["integration_key", "id"]);
    other.partition_columns.clear();
    let error = DeltaLog::open(&store, table(), other, settings(100))
        .await
        .expect_err("refused");
    assert!(matches!(error, LogError::Partitioning { .. }), "{error}");
    let id = Field::new("id", DataType::Int64, true);
    let mut other = shape(&[]);
    other.schema = Arc::new(Schema::new(vec![id]));
    let error = DeltaLog::open(&store, table(), other, settings(100))
        .await
        .expect_err("refused");
    assert!(matches!(error, LogError::Schema { .. }), "{error}");
}

#[tokio::test]
async fn a_table_of_a_higher_protocol_is_not_written_to() {
    let store = TableStore::memory();
    let log = open(&store).await;
    let key = ObjectKey::LogEntry(&table(), 1).path();
    let upgrade = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":4}}"#;
    store
        .objects()
        .put(&key, upgrade.into())
        .await
        .expect("put");
    for error in [
        log.refresh().await.expect_err("refused"),
        log.commit(&log.state(), entry("a", 1))
            .await
            .expect_err("refused"),
        try_open(&store, 100).await.expect_err("refused"),
    ] {
        assert!(matches!(error, LogError::Protocol { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_log_whose_tail_was_cleaned_up_is_read_from_its_checkpoint() {
    let store = TableStore::memory();
    let (late, busy) = (
        open(&store).await,
        try_open(&store, 3).await.expect("opened"),
    );
    late.live_files(&late.state()).await.expect("listed");
    for step in 0..4 {
        commit(&busy, entry(&format!("f{step}"), step)).await;
    }
    for version in 0..3 {
        let key = ObjectKey::LogEntry(&table(), version).path();
        store.objects().delete(&key).await.expect("deleted");
    }
    let state = late.refresh().await.expect("read");
    assert_eq!((state.version(), state.txn("f0")), (4, Some(0)));
    assert_eq!(live_paths(&late).await.len(), 4);
}

#[tokio::test]
async fn a_state_that_is_too_old_is_confirmed_before_it_is_committed_on() {
    let store = TableStore::memory();
    let distrust = Patience {
        longest_unconfirmed: Duration::ZERO,
        ..impatience()
    };
    let shape = shape(&["integration_key", "id"]);
    let late = DeltaLog::open_patiently(&store, table(), shape, settings(100), distrust);
    let (late, busy) = (late.await.expect("opened"), try_open(&store, 3).await);
    let busy = busy.expect("opened");
    let read = late.state();
    for step in 0..4 {
        commit(&busy, entry(&format!("f{step}"), step)).await;
    }
    for version in 0..3 {
        let key = ObjectKey::LogEntry(&table(), version).path();
        store.objects().delete(&key).await.expect("deleted");
    }
    let outcome = late
        .commit(&read, entry("late", 1))
        .await
        .expect("an outcome");
    assert!(
        matches!(outcome, CommitOutcome::Lost { .. }),
        "version 1 only looks free"
    );
}

#[tokio::test]
async fn a_damaged_entry_is_an_error_without_its_content() {
    let store = TableStore::memory();
    let log = open(&store).await;
    let key = ObjectKey::LogEntry(&table(), 1).path();
    let text = r#"{"add":{"path":"jane@example.com"}}"#;
    store.objects().put(&key, text.into()).await.expect("put");
    let error = log.refresh().await.expect_err("damaged");
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
    let error = try_open(&store, 100).await.expect_err("damaged");
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
}
