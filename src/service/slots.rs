//! How many fetches run at once.
//!
//! Deltas and full fetches have slots of their own: a snapshot of an hour must not keep a notification waiting. What
//! they may send is the throttle's matter.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::fetch::Lane;

/// The slots, shared with whoever holds one.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    deltas: Arc<Semaphore>,
    fulls: Arc<Semaphore>,
    freed: Arc<Notify>,
}

/// A place for one fetch; dropping it lets the next one begin.
#[derive(Debug)]
pub(super) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Slots {
    /// Makes as many slots for deltas as requests may be in flight, and half as many for full fetches.
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            deltas: Arc::new(Semaphore::new(concurrency.max(1))),
            fulls: Arc::new(Semaphore::new((concurrency / 2).max(1))),
            freed: Arc::default(),
        }
    }

    /// Returns whether a fetch of a lane could begin now.
    pub(super) fn has_room(&self, lane: Lane) -> bool {
        self.of(lane).available_permits() > 0
    }

    /// Takes a slot, if one is free.
    pub(super) fn take(&self, lane: Lane) -> Option<Slot> {
        let permit = Arc::clone(self.of(lane)).try_acquire_owned().ok()?;
        Some(Slot {
            permit: Some(permit),
            freed: Arc::clone(&self.freed),
        })
    }

    /// Waits until a slot was given back.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn of(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Notified | Lane::CatchUp => &self.deltas,
            Lane::Snapshot | Lane::Backfill => &self.fulls,
        }
    }
}

impl Drop for Slot {
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
