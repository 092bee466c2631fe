//! Bounds what all fetches together hold in memory, and how many runs are encoded at a time.
//!
//! Rows are held from the moment they are decoded until their run is encoded. While the fetches hold too much, a new
//! full fetch waits for its first page, and the fetches that run wait between two pages. The oldest fetches never wait,
//! so they end soon and make room. An old fetch may wait for Kombo instead, for minutes: so nobody waits for room
//! longer than his patience, and whoever got none writes what he has gathered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Decoded bytes of rows that all fetches together hold, about.
const HELD_BYTES: usize = 40 << 20;

/// What a fetch counts for at least: it receives a page, has another one in memory, and fills the columns of a batch.
const ENTRY_BYTES: usize = 3 << 20;

/// Decoded bytes that a fetch may gather in any case. A file of fewer rows is not worth it.
const LEAST_BYTES: usize = 1 << 20;

/// How long a full fetch waits for its first page, and how long a fetch waits between two pages.
const ENTRY_PATIENCE: Duration = Duration::from_secs(10);
const PAGE_PATIENCE: Duration = Duration::from_secs(2);

/// What the fetches of a lake share. Cheap to clone.
#[derive(Clone)]
pub(in crate::lake) struct RowRoom {
    places: Arc<Mutex<RowsHeld>>,
    freed: Arc<Notify>,
    encoding: Arc<Semaphore>,
    /// Number of the oldest fetches that wait for nobody.
    ahead: usize,
}

/// The decoded bytes that each fetch holds, the oldest fetch first.
#[derive(Default)]
struct RowsHeld {
    arrived: u64,
    held: BTreeMap<u64, usize>,
}

/// The place of one fetch, until it is dropped.
pub(in crate::lake) struct RowPlace {
    room: RowRoom,
    number: u64,
}

/// Rows that were given to an encoder. Dropping it gives their room back.
pub(in crate::lake) struct HeldRows {
    room: RowRoom,
    number: u64,
    bytes: usize,
}

impl RowsHeld {
    fn total(&self) -> usize {
        self.held
            .values()
            .map(|held| (*held).max(ENTRY_BYTES))
            .sum()
    }

    fn enter(&mut self) -> u64 {
        self.arrived += 1;
        self.held.insert(self.arrived, 0);
        self.arrived
    }

    fn is_among_first(&self, number: u64, ahead: usize) -> bool {
        self.held.keys().take(ahead).any(|one| *one == number)
    }
}

impl RowRoom {
    pub(in crate::lake) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from).max(2);
        Self {
            places: Arc::default(),
            freed: Arc::default(),
            encoding: Arc::new(Semaphore::new(cores)),
            ahead: cores,
        }
    }

    /// Adds a fetch, once there is room for its first page.
    pub(in crate::lake) async fn enter_in_turn(&self) -> RowPlace {
        let enter = |places: &mut RowsHeld| {
            let fits = places.total() + ENTRY_BYTES <= HELD_BYTES;
            fits.then(|| places.enter())
        };
        match self.within(ENTRY_PATIENCE, enter).await {
            Some(number) => self.place(number),
            None => self.enter(),
        }
    }

    /// Adds a fetch at once.
    pub(in crate::lake) fn enter(&self) -> RowPlace {
        let number = self.places().enter();
        self.place(number)
    }

    fn place(&self, number: u64) -> RowPlace {
        RowPlace {
            room: self.clone(),
            number,
        }
    }

    /// Waits until `attempt` gives something, whenever room becomes free. `None` when the patience ends first.
    async fn within<T>(
        &self,
        patience: Duration,
        attempt: impl Fn(&mut RowsHeld) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + patience;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // What is freed between the attempt and the wait is noticed, too.
            freed.as_mut().enable();
            let got = attempt(&mut self.places());
            if got.is_some() {
                return got;
            }
            timeout_at(until, freed).await.ok()?;
        }
    }

    /// Each change is complete before the lock is released, so a panic elsewhere leaves the numbers right.
    fn places(&self) -> MutexGuard<'_, RowsHeld> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self, number: u64, bytes: usize) {
        if let Some(held) = self.places().held.get_mut(&number) {
            *held = held.saturating_sub(bytes);
        }
        self.freed.notify_waiters();
    }
}

impl RowPlace {
    /// Returns the decoded bytes that make a run now: `run_bytes` for a fetch alone, a large part of the room for the
    /// oldest one of several, and less for the others.
    pub(in crate::lake) fn run_bytes(&self, run_bytes: usize) -> usize {
        let places = self.room.places();
        let own = match places.held.len() {
            0 | 1 => return run_bytes,
            _ if places.is_among_first(self.number, 1) => HELD_BYTES / 3,
            fetches => HELD_BYTES / fetches,
        };
        own.clamp(LEAST_BYTES, HELD_BYTES / 3).min(run_bytes)
    }

    /// Counts rows that the fetch has gathered.
    pub(in crate::lake) fn hold(&self, bytes: usize) {
        if let Some(held) = self.room.places().held.get_mut(&self.number) {
            *held += bytes;
        }
    }

    /// Waits until the fetch may gather more rows. Returns whether it may: without room, what it has gathered should be
    /// written.
    pub(in crate::lake) async fn has_room(&self) -> bool {
        let may = |places: &mut RowsHeld| {
            let may =
                places.total() <= HELD_BYTES || places.is_among_first(self.number, self.room.ahead);
            may.then_some(())
        };
        self.room.within(PAGE_PATIENCE, may).await.is_some()
    }

    /// Hands rows over that the fetch holds.
    pub(in crate::lake) fn hand_over(&self, bytes: usize) -> HeldRows {
        HeldRows {
            room: self.room.clone(),
            number: self.number,
            bytes,
        }
    }

    /// Waits for a turn to encode a run. An encoder holds the pages of each column in memory.
    pub(in crate::lake) fn turn(
        &self,
    ) -> impl Future<Output = Option<OwnedSemaphorePermit>> + use<> {
        let encoding = Arc::clone(&self.room.encoding);
        // The semaphore is never closed.
        async move { encoding.acquire_owned().await.ok() }
    }
}

impl Drop for RowPlace {
    fn drop(&mut self) {
        self.room.places().held.remove(&self.number);
        self.room.freed.notify_waiters();
    }
}

impl Drop for HeldRows {
    fn drop(&mut self) {
        self.room.free(self.number, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const RUN: usize = 32 << 20;

    #[test]
    fn many_fetches_gather_less_each() {
        let room = RowRoom::new();
        let one = room.enter();
        assert_eq!(one.run_bytes(RUN), RUN);
        let more: Vec<_> = (0..3).map(|_| room.enter()).collect();
        assert_eq!(one.run_bytes(RUN), HELD_BYTES / 3, "the oldest ends soon");
        assert_eq!(more[0].run_bytes(RUN), HELD_BYTES / 4);
        let many: Vec<_> = (0..1_000).map(|_| room.enter()).collect();
        assert_eq!(many[0].run_bytes(RUN), LEAST_BYTES);
        assert_eq!(many[0].run_bytes(1), 1, "a smaller setting counts");
        drop((more, many));
        assert_eq!(one.run_bytes(RUN), RUN);
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_the_oldest_go_on_and_the_others_wait_until_rows_are_encoded() {
        let room = RowRoom::new();
        let places: Vec<_> = (0..=room.ahead).map(|_| room.enter()).collect();
        let (oldest, youngest) = (&places[0], &places[room.ahead]);
        oldest.hold(HELD_BYTES);
        assert_eq!(oldest.has_room().now_or_never(), Some(true));
        let mut waits = Box::pin(youngest.has_room());
        assert_eq!(waits.as_mut().now_or_never(), None);
        drop(oldest.hand_over(HELD_BYTES));
        assert_eq!(waits.now_or_never(), Some(true), "woken");
        // An old fetch that Kombo keeps waiting keeps nobody else.
        oldest.hold(HELD_BYTES);
        let began = Instant::now();
        assert!(!youngest.has_room().await);
        assert_eq!(began.elapsed(), PAGE_PATIENCE);
        drop(places);
        assert_eq!(room.places().total(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_fetch_enters_when_there_is_room_for_a_page_or_its_patience_ends() {
        let room = RowRoom::new();
        let full: Vec<_> = (0..HELD_BYTES / ENTRY_BYTES)
            .map(|_| room.enter())
            .collect();
        let mut enters = Box::pin(room.enter_in_turn());
        assert!(enters.as_mut().now_or_never().is_none());
        drop(full);
        assert!(enters.now_or_never().is_some());
        let other = room.enter();
        other.hold(HELD_BYTES);
        let began = Instant::now();
        drop(room.enter_in_turn().await);
        assert_eq!(began.elapsed(), ENTRY_PATIENCE);
    }

    #[tokio::test]
    async fn rows_whose_fetch_has_ended_are_counted_no_more() {
        let room = RowRoom::new();
        let place = room.enter();
        place.hold(RUN);
        let held = place.hand_over(RUN);
        drop(place);
        assert_eq!(room.places().total(), 0);
        drop(held);
        assert_eq!(room.places().total(), 0);
    }
}
