//! How many fetches run at once.
//!
//! Deltas and full fetches have separate slots: a snapshot that runs for an hour must not delay a notification. Slots
//! limit running fetches; the throttle in `api` limits requests.
//!
//! A small fetch exchanges its slot for room to upload once its last page is received, so that the latency of the store
//! keeps no slot from the next fetch. The room is bounded: a fetch that does not fit keeps its slot until its rows are
//! on the store.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::fetch::Lane;
use crate::ingest::FetchPlace;

/// The largest fetch that gives its slot up before its upload, in KiB of JSON. The rows of a larger fetch are on the
/// store except for the last ones, and its slot bounds their memory.
const MOST_KIB: u32 = 1 << 10;

/// What a fetch counts for at least, in KiB: its future and its encoder need memory, too.
const LEAST_KIB: u32 = 256;

/// KiB of JSON of all fetches that are uploaded without a slot.
const UPLOADS_KIB: usize = 6 << 10;

/// The slots, shared with the fetches that hold one.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    deltas: Arc<Semaphore>,
    fulls: Arc<Semaphore>,
    all: usize,
    /// Room for uploads of fetches that have given their slot up.
    uploads: Arc<Semaphore>,
    freed: Arc<Notify>,
}

/// A slot for one fetch, or the room for its upload. Dropping it frees both.
#[derive(Debug)]
pub(crate) struct FetchSlot {
    permit: Option<OwnedSemaphorePermit>,
    uploads: Arc<Semaphore>,
    freed: Arc<Notify>,
}

impl Slots {
    /// Returns `concurrency` slots for deltas, and half as many for full fetches, at least one.
    pub(crate) fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.max(1);
        Self::of_each(concurrency, concurrency / 2)
    }

    /// Returns `concurrency` slots for full fetches and none for deltas, for an owner that fetches no deltas beside
    /// them.
    pub(crate) fn without_deltas(concurrency: usize) -> Self {
        Self::of_each(0, concurrency.max(1))
    }

    fn of_each(deltas: usize, fulls: usize) -> Self {
        let fulls = fulls.max(1);
        Self {
            deltas: Arc::new(Semaphore::new(deltas)),
            fulls: Arc::new(Semaphore::new(fulls)),
            all: deltas + fulls,
            uploads: Arc::new(Semaphore::new(UPLOADS_KIB)),
            freed: Arc::default(),
        }
    }

    /// Returns whether all slots are free, which means that every fetch is uploaded.
    pub(crate) fn are_free(&self) -> bool {
        self.deltas.available_permits() + self.fulls.available_permits() == self.all
            && self.uploads.available_permits() == UPLOADS_KIB
    }

    /// Returns whether a fetch of this lane could begin now.
    pub(crate) fn has_room(&self, lane: Lane) -> bool {
        self.of(lane).available_permits() > 0
    }

    /// Takes a slot, or returns `None` if none is free.
    pub(crate) fn take(&self, lane: Lane) -> Option<FetchSlot> {
        let permit = Arc::clone(self.of(lane)).try_acquire_owned().ok()?;
        Some(FetchSlot {
            permit: Some(permit),
            uploads: Arc::clone(&self.uploads),
            freed: Arc::clone(&self.freed),
        })
    }

    /// Waits until a slot is given back.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn of(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Notified | Lane::CatchUp => &self.deltas,
            Lane::Snapshot | Lane::Backfill => &self.fulls,
        }
    }
}

impl FetchPlace for FetchSlot {
    fn received(&mut self, bytes: u64) {
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX);
        if kib > MOST_KIB {
            return;
        }
        let room = Arc::clone(&self.uploads).try_acquire_many_owned(kib.max(LEAST_KIB));
        if let Ok(room) = room {
            self.permit = Some(room);
            self.freed.notify_one();
        }
    }
}

impl Drop for FetchSlot {
    fn drop(&mut self) {
        // The permit is released before the notification, so whoever wakes finds the slot free.
        drop(self.permit.take());
        self.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn full_fetches_leave_room_for_deltas() {
        let slots = Slots::new(1);
        let full = slots.take(Lane::Snapshot).expect("a slot");
        assert!(!slots.has_room(Lane::Backfill) && slots.has_room(Lane::Notified));
        assert!(slots.take(Lane::Snapshot).is_none());
        drop(full);
        slots.freed().await;
        assert!(slots.take(Lane::Snapshot).is_some());
    }

    #[tokio::test]
    async fn a_small_fetch_gives_its_slot_up_for_room_to_upload() {
        let slots = Slots::without_deltas(1);
        let mut small = slots.take(Lane::Backfill).expect("a slot");
        assert!(!slots.has_room(Lane::Backfill));
        small.received(4_096);
        slots.freed().await;
        assert!(slots.has_room(Lane::Backfill));
        assert!(!slots.are_free(), "the upload is under way");
        drop(small);
        assert!(slots.are_free());
    }

    #[test]
    fn a_fetch_that_does_not_fit_keeps_its_slot() {
        let slots = Slots::without_deltas(1);
        let mut large = slots.take(Lane::Backfill).expect("a slot");
        large.received(u64::from(MOST_KIB + 1) << 10);
        assert!(!slots.has_room(Lane::Backfill));
        drop(large);
        let places = UPLOADS_KIB / LEAST_KIB as usize;
        let mut small = Vec::new();
        for _ in 0..places {
            let mut slot = slots.take(Lane::Backfill).expect("a slot");
            slot.received(1);
            small.push(slot);
        }
        let mut one_more = slots.take(Lane::Backfill).expect("a slot");
        one_more.received(1);
        assert!(!slots.has_room(Lane::Backfill), "the room is used up");
    }
}
