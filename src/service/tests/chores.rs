//! The sink's chores and the notes for `status`, which run beside the fetches.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::atomic::AtomicU32;

use super::*;
use crate::chore::{Beside, Chore, Stands};
use crate::plan::Standing;
use crate::status::Notes;

/// A chore that asks Kombo, takes some time and counts its runs.
struct Slow {
    id: IntegrationId,
    takes: Duration,
    begun: Arc<AtomicU32>,
    ended: Arc<AtomicU32>,
}

impl Chore for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn first_due(&self) -> Duration {
        Duration::from_mins(10)
    }

    fn run<'a>(&'a mut self, beside: Beside<'a>) -> BoxFuture<'a, Duration> {
        async move {
            assert_eq!(
                self.begun.fetch_add(1, Ordering::Relaxed),
                self.ended.load(Ordering::Relaxed),
                "one at a time"
            );
            let stands = beside.kombo.stands(&self.id).await;
            assert_eq!(stands, Stands::As(Standing::Active));
            sleep(self.takes).await;
            self.ended.fetch_add(1, Ordering::Relaxed);
            Duration::from_hours(1)
        }
        .boxed()
    }
}

/// Starts a service with a chore that takes so long. Returns counters of its begun and ended runs.
async fn start_with(
    twin: &TimedTwin,
    lake: &Lake,
    takes: Duration,
) -> (Running, [Arc<AtomicU32>; 2]) {
    let counts = [Arc::<AtomicU32>::default(), Arc::default()];
    let [begun, ended] = counts.clone();
    let id = twin.ids()[0].clone();
    let chore = Slow {
        id,
        takes,
        begun,
        ended,
    };
    let running = start_with_chores(
        twin,
        lake,
        &["ats/tags"],
        &twin.ids(),
        vec![Box::new(chore)],
    )
    .await;
    (running, counts)
}

fn read([begun, ended]: &[Arc<AtomicU32>; 2]) -> [u32; 2] {
    [begun, ended].map(|count| count.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_chore_begins_when_it_is_due_and_runs_once_at_a_time() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let (service, counts) = start_with(&twin, &lake, Duration::from_mins(90)).await;
    sleep(Duration::from_mins(9)).await;
    assert_eq!(read(&counts), [0, 0]);
    sleep(Duration::from_mins(2)).await;
    assert_eq!(read(&counts), [1, 0]);
    // The chore is due again an hour after it began, but it has not ended by then. So the next run follows at once.
    sleep(Duration::from_mins(90)).await;
    assert_eq!(read(&counts), [2, 1]);
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_no_chore() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let (service, counts) = start_with(&twin, &lake, Duration::from_hours(9)).await;
    sleep(Duration::from_mins(11)).await;
    assert_eq!(read(&counts), [1, 0]);
    let began = Instant::now();
    service.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(read(&counts), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn notes_are_put_at_the_start_every_minute_and_at_the_end() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let service = start(&twin, &lake, &["ats/tags"]).await;
    let written_ms = async || {
        let found = lake.read_status().await.expect("read");
        let (_, bytes) = found.first()?;
        Some(Notes::from_bytes(bytes).expect("notes").written_ms)
    };
    sleep(Duration::from_secs(5)).await;
    let first_ms = written_ms().await.expect("put");
    sleep(Duration::from_mins(1)).await;
    let second_ms = written_ms().await.expect("put");
    assert!((55_000..65_000).contains(&(second_ms - first_ms)));
    sleep(Duration::from_secs(20)).await;
    service.stop().await;
    let last_ms = written_ms().await.expect("put");
    assert!((15_000..35_000).contains(&(last_ms - second_ms)));
}
