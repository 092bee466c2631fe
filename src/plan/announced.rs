//! When a table was announced by a notification. The fetch reads this value later, because a notification may come
//! while the fetch runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::time::Moment;

/// The value for "no notification".
const NONE: i64 = i64::MIN;

/// When the earliest notification of a table came that no fetch has answered yet. Clones share the value.
#[derive(Clone)]
pub struct Announced(Arc<AtomicI64>);

impl Announced {
    /// Returns the instant on Kombo's clock. Returns `None` when every notification is answered.
    #[must_use]
    pub fn get(&self) -> Option<Moment> {
        let at_ms = self.0.load(Ordering::Relaxed);
        (at_ms != NONE).then_some(Moment::from_millis(at_ms))
    }

    /// Sets the instant, or removes it.
    pub fn set(&self, at: Option<Moment>) {
        let at_ms = at.map_or(NONE, Moment::as_millis);
        self.0.store(at_ms, Ordering::Relaxed);
    }
}

impl Default for Announced {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(NONE)))
    }
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
