//! How many fetches run at once.
//!
//! Deltas and full fetches have separate slots: a snapshot that runs for an hour must not delay a notification. Slots
//! limit running fetches; the throttle in `api` limits requests.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::fetch::Lane;

/// The slots, shared with the fetches that hold one.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    deltas: Arc<Semaphore>,
    fulls: Arc<Semaphore>,
    all: usize,
    freed: Arc<Notify>,
}

/// A slot for one fetch. Dropping it frees the slot.
#[derive(Debug)]
pub(crate) struct FetchSlot {
    permit: Option<OwnedSemaphorePermit>,
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
            freed: Arc::default(),
        }
    }

    /// Returns whether all slots are free, which means that every fetch is uploaded.
    pub(crate) fn are_free(&self) -> bool {
        self.deltas.available_permits() + self.fulls.available_permits() == self.all
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
}
