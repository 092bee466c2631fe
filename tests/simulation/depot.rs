//! The objects of the simulated world, and what happens to a request for one of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::ObjectMeta;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::clocks::Clocks;
use crate::dice::{Dice, mixed};
use crate::faults::{Enabled, Fault};
use crate::mishap::Mischief;
use crate::network::millis;
use crate::observer::Observer;
use crate::story::Story;

/// The objects, and what is shared by all ways to them.
pub(crate) struct Depot {
    /// The objects themselves, without any fault.
    pub(crate) objects: InMemory,
    pub(crate) clocks: Clocks,
    pub(crate) story: Story,
    seed: u64,
    observer: Observer,
    state: Mutex<DepotNow>,
}

struct DepotNow {
    faults: Enabled,
    /// How often each object was asked for, by operation.
    asked: HashMap<(&'static str, Path), u64>,
    modified_ms: HashMap<Path, i64>,
    away_until_ms: i64,
    clock_ahead_ms: i64,
}

impl Depot {
    /// Makes an empty store.
    pub(crate) fn new(
        seed: u64,
        faults: &Enabled,
        clocks: Clocks,
        story: Story,
        observer: Observer,
    ) -> Arc<Self> {
        let mut dice = Dice::of(seed, "depot");
        let clock_ahead_ms = if faults.has(Fault::StoreClock) {
            i64::try_from(dice.number(0..1_200_000)).unwrap_or(0) - 600_000
        } else {
            0
        };
        Arc::new(Self {
            objects: InMemory::new(),
            clocks,
            story,
            seed,
            observer,
            state: Mutex::new(DepotNow {
                faults: faults.clone(),
                asked: HashMap::new(),
                modified_ms: HashMap::new(),
                away_until_ms: 0,
                clock_ahead_ms,
            }),
        })
    }

    /// Ends all faults of the store.
    pub(crate) fn calm(&self) {
        self.with(|now| {
            now.faults = Enabled::only(&[]).expect("none");
            now.away_until_ms = 0;
        });
    }

    /// Puts the store out of reach for a while.
    pub(crate) fn go_away(&self, time: Duration) {
        let until = self.clocks.true_now() + millis(time);
        self.with(|now| now.away_until_ms = until);
    }

    fn with<T>(&self, work: impl FnOnce(&mut DepotNow) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets the timestamp of an object by the store's clock.
    pub(crate) fn stamp(&self, object: &mut ObjectMeta) {
        let at_ms = self.with(|now| now.modified_ms.get(&object.location).copied());
        if let Some(at) = at_ms.and_then(chrono::DateTime::from_timestamp_millis) {
            object.last_modified = at;
        }
    }

    /// Notes that an object was deleted, and shows it to the observer.
    pub(crate) fn deleted(&self, path: &Path) {
        self.story.count("objects-deleted");
        self.observer.deleted(path);
    }

    /// Notes that an object was written, and shows it to the observer.
    pub(crate) fn written(&self, path: &Path) {
        let now_ms = self.clocks.true_now();
        self.with(|now| {
            now.modified_ms
                .insert(path.clone(), now_ms + now.clock_ahead_ms)
        });
        self.story.count("objects-written");
        self.observer.written(path, &self.objects);
    }
}

impl Depot {
    /// Decides what happens to a request.
    pub(crate) fn fate(
        &self,
        operation: &'static str,
        path: &Path,
        creates: bool,
    ) -> (Option<Mischief>, Duration) {
        let now_ms = self.clocks.true_now();
        let (faults, number, is_away) = self.with(|now| {
            let number = now.asked.entry((operation, path.clone())).or_default();
            *number += 1;
            (now.faults.clone(), *number, now_ms < now.away_until_ms)
        });
        if is_away {
            self.story.count(Fault::StoreAway.label());
            return (Some(Mischief::FailBefore), Duration::from_millis(50));
        }
        let mut dice = Dice::of(self.seed, ("store", operation, path.as_ref(), number));
        let mut happens = |fault: Fault, per_mille: u32| {
            let happens = faults.has(fault) && dice.per_mille(per_mille);
            if happens {
                self.story.count(fault.label());
            }
            happens
        };
        let delay = if happens(Fault::StoreSlow, 5) {
            Duration::from_millis(mixed(self.seed, (path.as_ref(), number)) % 200_000)
        } else {
            Duration::ZERO
        };
        let fate = if happens(Fault::StoreFails, 10) {
            Some(Mischief::FailBefore)
        } else if happens(Fault::StoreForgets, 10) {
            Some(Mischief::FailAfter)
        } else if creates && happens(Fault::StoreConflicts, 20) {
            if mixed(self.seed, (path.as_ref(), number)).is_multiple_of(2) {
                Some(Mischief::ConflictBefore)
            } else {
                Some(Mischief::ConflictAfter)
            }
        } else {
            None
        };
        (fate, delay)
    }
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Depot")
    }
}
