//! A world that several hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::company::World;

/// A world that is served and looked at, or changed, at the same time.
#[derive(Clone, Debug)]
pub struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    /// Shares a world.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// Waits for the world. Never hold it across an `await`.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        // Whoever panicked while holding it left no record half-changed: each change is one insert.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
