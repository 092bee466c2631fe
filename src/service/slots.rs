//! How many fetches run at once.
//!
//! Deltas and full fetches have slots of their own: a snapshot of an hour must not keep a notification waiting. What
//! they may send is the throttle's matter.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::fetch::Lane;

/// The slots, shared with whoever holds one.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    deltas: Arc<Semaphore>,
    fulls: Arc<Semaphore>,
    all: usize,
    freed: Arc<Notify>,
}

/// A place for one fetch; dropping it lets the next one begin.
#[derive(Debug)]
pub(crate) struct FetchSlot {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Slots {
    /// Makes as many slots for deltas as requests may be in flight, and half as many for full fetches.
    pub(crate) fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.max(1);
        Self::of_each(concurrency, concurrency / 2)
    }

    /// Makes as many slots for full fetches as requests may be in flight: nobody waits for a delta.
    pub(crate) fn without_deltas(concurrency: usize) -> Self {
        Self::of_each(0, concurrency.max(1))
    }

    fn of_each(deltas: usize, fulls: usize) -> Self {
        let fulls = fulls.max(1);
        Self {
            deltas: Arc::new(Semaphore::new(deltas)),
            fulls: Arc::new(Semaphore::new(fulls)),
            all: deltas + fulls,
            freed: Arc::default(),
        }
    }

    /// Returns whether nobody holds one: every fetch is uploaded.
    pub(crate) fn are_free(&self) -> bool {
        self.deltas.available_permits() + self.fulls.available_permits() == self.all
    }

    /// Returns whether a fetch of a lane could begin now.
    pub(crate) fn has_room(&self, lane: Lane) -> bool {
        self.of(lane).available_permits() > 0
    }

    /// Takes a slot, if one is free.
    pub(crate) fn take(&self, lane: Lane) -> Option<FetchSlot> {
        let permit = Arc::clone(self.of(lane)).try_acquire_owned().ok()?;
        Some(FetchSlot {
            permit: Some(permit),
            freed: Arc::clone(&self.freed),
        })
    }

    /// Waits until a slot was given back.
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

impl Drop for FetchSlot {
    fn drop(&mut self) {
        // First given back, then told.
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
}
