//! Whether a process lives. A process that has crashed neither sends nor gets anything any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether a process lives. Clones tell of the same process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alive(Arc<Life>);

#[derive(Debug, Default)]
struct Life {
    is_over: AtomicBool,
    ended: Notify,
}

impl Alive {
    /// Ends the process at this very point.
    pub(crate) fn end(&self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.ended.notify_one();
    }

    /// Returns whether the process has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::SeqCst)
    }

    /// Goes on where the process lives, and never where it has ended.
    pub(crate) async fn or_never(&self) {
        if self.is_over() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(&self) {
        while !self.is_over() {
            self.0.ended.notified().await;
        }
    }
}
