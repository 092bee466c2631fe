//! Every call of a sequence fails once in every way. Then a clean run leaves every entry exactly once.

use crate::delta::log::tests::*;
use crate::delta::object_key::ObjectKey;

const ENTRIES: [&str; 4] = ["a", "b", "c", "d"];

/// Commits the missing entries, like a process after a restart. A transaction in the log means that its entry is
/// there.
async fn run(store: &TableStore) -> Result<(), LogError> {
    let log = try_open(store, 2).await?;
    for name in ENTRIES {
        let mut read = log.refresh().await?;
        while read.txn(name).is_none() {
            match log.commit(&read, entry(name, 1)).await? {
                CommitOutcome::Committed { .. } => break,
                CommitOutcome::Lost { state } => read = state,
            }
        }
    }
    log.live_files(&log.state()).await?;
    Ok(())
}

fn faulty(
    memory: &TableStore,
    failing: std::ops::Range<usize>,
    failure: Failure,
) -> (TableStore, Arc<FaultyStore>) {
    let faulty = FaultyStore::new(Arc::clone(memory.objects()), failing, failure);
    let objects = Arc::clone(&faulty);
    (TableStore::over(objects, memory.url().clone()), faulty)
}

async fn assert_every_entry_once(store: &TableStore, case: &str) {
    let raw = raw_log(store).await;
    let added = raw
        .iter()
        .flatten()
        .filter_map(|line| line["add"]["path"].as_str());
    let mut added: Vec<_> = added.collect();
    added.sort_unstable();
    let expected = ENTRIES.map(|name| format!("integration_key=k/{name}"));
    assert_eq!(added, expected, "{case}");
    let log = open(store).await;
    assert_eq!(live_paths(&log).await, expected, "{case}");
    for name in ENTRIES {
        assert_eq!(log.state().txn(name), Some(1), "{case}");
    }
}

#[tokio::test]
async fn one_failed_call_of_any_kind_anywhere_leaves_every_entry_once_after_a_rerun() {
    for failure in Failure::ALL {
        for call in 0.. {
            let case = format!("call {call} fails {failure:?}");
            let memory = TableStore::memory();
            let (store, counter) = faulty(&memory, call..call + 1, failure);
            // This run may succeed or fail.
            drop(run(&store).await);
            run(&memory).await.expect("nothing fails any more");
            assert_every_entry_once(&memory, &case).await;
            if counter.calls() <= call {
                assert!(call > 20, "the sequence has many calls");
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_outage_that_begins_anywhere_leaves_every_entry_once_after_a_rerun() {
    for failure in [Failure::Before, Failure::After] {
        for call in (0..60).step_by(3) {
            let case = format!("calls from {call} on fail {failure:?}");
            let memory = TableStore::memory();
            let (store, counter) = faulty(&memory, call..usize::MAX, failure);
            let outcome = run(&store).await;
            assert_eq!(outcome.is_err(), counter.calls() > call, "{case}");
            run(&memory).await.expect("nothing fails any more");
            assert_every_entry_once(&memory, &case).await;
        }
    }
}

/// Commits once on a table. `failing` calls fail, beginning with the commit's put.
async fn commit_under(
    failing: usize,
    failure: Failure,
) -> (Result<CommitOutcome, LogError>, TableStore) {
    let memory = TableStore::memory();
    open(&memory).await;
    let (probe, counter) = faulty(&memory, 0..0, failure);
    open(&probe).await;
    let put = counter.calls();
    let (store, _) = faulty(&memory, put..put.saturating_add(failing), failure);
    let log = open(&store).await;
    let outcome = log.commit(&log.state(), entry("a", 1)).await;
    (outcome, memory)
}

#[tokio::test]
async fn a_put_is_ours_or_tried_again_whatever_its_answer_was() {
    for failure in Failure::ALL {
        let (outcome, store) = commit_under(1, failure).await;
        assert!(
            matches!(outcome, Ok(CommitOutcome::Committed { version: 1 })),
            "{failure:?}: {outcome:?}"
        );
        assert_eq!(raw_log(&store).await.len(), 2, "{failure:?}: once");
    }
}

#[tokio::test]
async fn a_put_whose_answer_and_read_backs_are_lost_is_an_unknown_outcome() {
    for (failure, visible) in [(Failure::Before, 1), (Failure::After, 2)] {
        let (outcome, store) = commit_under(usize::MAX, failure).await;
        let error = outcome.expect_err("nothing can be known");
        assert!(
            matches!(error, LogError::OutcomeUnknown { version: 1, .. }),
            "{error}"
        );
        assert!(
            error.is_retryable() && error.to_string().contains("safe"),
            "{error}"
        );
        assert_eq!(raw_log(&store).await.len(), visible);
    }
}

#[tokio::test]
async fn an_outage_is_insisted_against_and_then_given_up() {
    let attempts = usize::try_from(Patience::default().attempts).expect("few");
    let (outcome, _) = commit_under(attempts - 1, Failure::Before).await;
    assert!(
        matches!(outcome, Ok(CommitOutcome::Committed { .. })),
        "{outcome:?}"
    );
    let (outcome, _) = commit_under(10 * attempts, Failure::Before).await;
    assert!(
        matches!(outcome, Err(LogError::OutcomeUnknown { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_failed_checkpoint_fails_no_commit() {
    let memory = TableStore::memory();
    try_open(&memory, 1).await.expect("opened");
    let (probe, counter) = faulty(&memory, 0..0, Failure::Before);
    try_open(&probe, 1).await.expect("opened");
    let put = counter.calls();
    let (store, counter) = faulty(&memory, put + 2..usize::MAX, Failure::Before);
    let log = try_open(&store, 1).await.expect("opened");
    let outcome = log.commit(&log.state(), entry("a", 1)).await;
    assert!(
        matches!(outcome, Ok(CommitOutcome::Committed { version: 1 })),
        "{outcome:?}"
    );
    assert!(counter.calls() > put + 2, "a checkpoint was tried");
    let hint = ObjectKey::LastCheckpoint(&table()).path();
    assert!(memory.objects().get(&hint).await.is_err());
}
