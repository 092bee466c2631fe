//! The keeper of the lease over a lake in memory, in virtual time.

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::delta::store::TableStore;
use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::lake::{Lake, LakeSettings};
use crate::time::SystemClock;

const TAKEOVER: Duration = Duration::from_secs(30);

async fn lake_on(store: TableStore) -> Lake {
    let settings = LakeSettings::default();
    let lake = Lake::over(store, &settings, Arc::new(SystemClock));
    lake.await.expect("a lake in memory")
}

/// Makes a keeper without a lock: like a service on another machine.
fn keeper(lake: &Lake) -> LeaseKeeper {
    let start = Instant::now();
    let uptime = Uptime::from_fn(move || Duration::from_secs(1_000) + start.elapsed());
    let lock = HostLock::new(Path::new("/dev/null/none"));
    LeaseKeeper::new(lake.lease(), LeaseTerms::new(TAKEOVER), lock, uptime)
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_over_after_the_takeover_time_and_not_before() {
    let lake = lake_on(TableStore::memory()).await;
    let (mut first, mut second) = (keeper(&lake), keeper(&lake));
    let tenure = first.acquire().await;
    assert!(first.view().is_held() && !first.view().is_standby());
    let began = Instant::now();
    assert!(!second.view().is_held() && second.view().is_standby());
    assert_eq!(second.acquire().await.epoch(), tenure.epoch() + 1);
    let waited = began.elapsed();
    assert!(
        waited >= TAKEOVER && waited < TAKEOVER * 5 / 4,
        "{waited:?}"
    );
    assert!(!first.view().is_held(), "the first one has grown too old");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_stays_and_one_that_is_given_back_is_taken_at_once() {
    let lake = lake_on(TableStore::memory()).await;
    let (mut first, mut second) = (keeper(&lake), keeper(&lake));
    let tenure = first.acquire().await;
    let view = first.view();
    let (give_back, asked) = oneshot::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(first.keep(tenure, asked));
    let overtaken = timeout(TAKEOVER * 10, second.acquire()).await;
    assert!(overtaken.is_err() && view.is_held());
    drop(give_back);
    tasks.join_next().await.expect("a task").expect("no panic");
    assert!(!view.is_held());
    let began = Instant::now();
    second.acquire().await;
    assert!(began.elapsed() < TAKEOVER / 6);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_finds_a_later_epoch_stops() {
    let lake = lake_on(TableStore::memory()).await;
    let (mut first, second) = (keeper(&lake), keeper(&lake));
    let tenure = first.acquire().await;
    let next = Renewal::claim(tenure.epoch() + 1);
    assert!(lake.lease().put(next, &second.me).await.expect("put"));
    let view = first.view();
    let (_give_back, asked) = oneshot::channel();
    let began = Instant::now();
    first.keep(tenure, asked).await;
    assert!(!view.is_held() && view.is_standby());
    assert!(began.elapsed() <= TAKEOVER / 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_nothing_is_sent_and_afterwards_the_lease_is_taken_again() {
    let memory = TableStore::memory();
    let away = FaultyStore::new(Arc::clone(memory.objects()), 0..0, Failure::Before);
    let store = TableStore::over(Arc::clone(&away) as _, memory.url().clone());
    let lake = lake_on(store).await;
    let mut first = keeper(&lake);
    let tenure = first.acquire().await;
    let view = first.view();
    let (_give_back, asked) = oneshot::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(first.keep(tenure, asked));
    away.set_away(true);
    sleep(TAKEOVER * 2).await;
    assert!(!view.is_held());
    away.set_away(false);
    sleep(TAKEOVER / 2).await;
    assert!(view.is_held() && !view.is_standby());
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_service_that_was_killed_starts_again_on_its_machine_at_once() {
    let lake = lake_on(TableStore::memory()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = keeper(&lake);
    first.lock = HostLock::new(folder.path());
    first.acquire().await;
    // The lock is free at the end of the process.
    drop(first);
    let mut again = keeper(&lake);
    again.lock = HostLock::new(folder.path());
    let began = Instant::now();
    again.acquire().await;
    assert!(began.elapsed() < TAKEOVER / 6);
}
