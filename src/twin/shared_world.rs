//! A world with several owners.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::company::World;

/// A world that is served while others read or change it.
#[derive(Clone, Debug)]
pub struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    /// Shares a world.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// Waits for the world. The caller must not hold it across an `await`.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        // A panic of another owner leaves no record half changed, because each change is one insert.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
