//! Tests of the waiting, in real time. The tests measure no time; the time limits only end a test that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::{Permit, RateHeaders, Throttle, Told};
use crate::api::ApiSettings;
use crate::api::waits::WaitLog;
use crate::fetch::Lane;
use crate::time::{Clock, Moment};

const HANG: Duration = Duration::from_secs(30);

struct Midnight;

impl Clock for Midnight {
    fn now(&self) -> Moment {
        Moment::from_millis(0)
    }
}

fn of(settings: &ApiSettings) -> Throttle {
    Throttle::new(settings, Arc::new(WaitLog::new(Arc::new(Midnight))))
}

fn throttle(per_minute: u32, concurrency: u32) -> Throttle {
    of(&ApiSettings {
        rate_limit_num: per_minute.try_into().expect("not zero"),
        concurrency: concurrency.try_into().expect("not zero"),
        ..ApiSettings::default()
    })
}

fn unlimited(concurrency: u32) -> Throttle {
    of(&ApiSettings {
        rate_limit_enabled: false,
        concurrency: concurrency.try_into().expect("not zero"),
        ..ApiSettings::default()
    })
}

async fn admitted(throttle: &Throttle) -> Permit {
    timeout(HANG, throttle.admit(Lane::Backfill, None))
        .await
        .expect("a free place is given out")
}

/// Lets a future run until it waits. Returns whether it waits.
async fn run_until_it_waits<F: Future + Unpin>(future: &mut F) -> bool {
    futures_util::future::poll_immediate(future).await.is_none()
}

#[tokio::test]
async fn a_dropped_permit_gives_its_place_to_the_next() {
    let throttle = unlimited(1);
    let first = admitted(&throttle).await;
    let mut second = Box::pin(throttle.admit(Lane::Backfill, None));
    assert!(run_until_it_waits(&mut second).await);
    assert_eq!(throttle.view().waiting, 1);
    drop(first);
    timeout(HANG, second).await.expect("the place is free");
}

#[tokio::test]
async fn a_dropped_waiter_is_forgotten() {
    let throttle = unlimited(1);
    let first = admitted(&throttle).await;
    for _ in 0..100 {
        let mut waiter = Box::pin(throttle.admit(Lane::Notified, None));
        assert!(run_until_it_waits(&mut waiter).await);
    }
    assert_eq!(throttle.view().waiting, 0);
    drop(first);
    drop(admitted(&throttle).await);
    assert_eq!(throttle.view().running, 0);
}

#[tokio::test]
async fn a_waiter_dropped_after_it_was_let_through_gives_its_place_back() {
    let throttle = unlimited(1);
    let first = admitted(&throttle).await;
    let mut second = Box::pin(throttle.admit(Lane::Backfill, None));
    assert!(run_until_it_waits(&mut second).await);
    // The second request is granted here, and its task never sees the grant.
    drop(first);
    assert_eq!(throttle.view().running, 1);
    drop(second);
    assert_eq!(throttle.view().running, 0);
    drop(admitted(&throttle).await);
}

#[tokio::test]
async fn when_the_one_that_keeps_the_time_gives_up_another_does() {
    // One request every 30 ms.
    let throttle = throttle(2_000, 10);
    let mut first = admitted(&throttle).await;
    first.leaves();
    first.answered(RateHeaders::default(), 200);
    let mut keeper = Box::pin(throttle.admit(Lane::Backfill, None));
    let mut other = Box::pin(throttle.admit(Lane::Backfill, None));
    assert!(run_until_it_waits(&mut keeper).await);
    assert!(run_until_it_waits(&mut other).await);
    drop(keeper);
    timeout(HANG, other)
        .await
        .expect("it keeps the time itself");
}

#[tokio::test]
async fn a_request_that_never_left_does_not_count() {
    let throttle = throttle(60_000, 4);
    let mut opening = admitted(&throttle).await;
    opening.leaves();
    let headers = RateHeaders {
        limit: Some(60_000),
        remaining: Some(50_007),
        reset: Some(Told::of(Duration::from_secs(30))),
        retry_after: None,
    };
    opening.answered(headers, 200);
    assert_eq!(throttle.view().remaining, Some(50_007));
    let mut left = admitted(&throttle).await;
    assert_eq!(throttle.view().remaining, Some(50_006));
    left.leaves();
    drop(left);
    assert_eq!(
        throttle.view().remaining,
        Some(50_006),
        "the server may have counted it"
    );
    drop(admitted(&throttle).await);
    assert_eq!(
        throttle.view().remaining,
        Some(50_006),
        "that one never left"
    );
}

#[tokio::test]
async fn many_tasks_all_get_through_and_never_too_many_at_once() {
    let throttle = unlimited(3);
    let running = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let (throttle, running) = (throttle.clone(), Arc::clone(&running));
        tasks.spawn(async move {
            for _ in 0..10 {
                let mut permit = throttle.admit(Lane::Snapshot, None).await;
                assert!(running.fetch_add(1, Ordering::SeqCst) < 3);
                permit.leaves();
                tokio::task::yield_now().await;
                permit.answered(RateHeaders::default(), 200);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }
    timeout(HANG, tasks.join_all())
        .await
        .expect("all are served");
    let view = throttle.view();
    assert_eq!((view.running, view.waiting), (0, 0));
}
