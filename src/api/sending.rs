//! The right to send requests to Kombo.
//!
//! Of several services on one lake one has the right, until an instant that it moves on again and again. Each request is
//! checked right before it leaves. The process may have stood still since its last check, so the check reads the clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::time::Uptime;

/// The right to send. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SendingRight(Option<Arc<Limited>>);

#[derive(Debug)]
struct Limited {
    /// Until when requests may leave. Zero while they may not.
    until: watch::Sender<Duration>,
    uptime: Uptime,
}

impl SendingRight {
    /// Returns a right that never ends, for everything that takes no lease.
    #[must_use]
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// Returns a right that does not hold until it is extended.
    #[must_use]
    pub fn limited(uptime: Uptime) -> Self {
        let until = watch::Sender::new(Duration::ZERO);
        Self(Some(Arc::new(Limited { until, uptime })))
    }

    /// Lets requests leave until an instant of the clock.
    pub fn extend_to(&self, until: Duration) {
        if let Some(limited) = &self.0 {
            limited.until.send_replace(until);
        }
    }

    /// Lets no request leave from now on.
    pub fn withdraw(&self) {
        self.extend_to(Duration::ZERO);
    }

    /// Returns whether a request may leave now.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|limited| limited.uptime.now() < *limited.until.borrow())
    }

    /// Waits until a request may leave. Returns at once where that is so.
    pub async fn wait(&self) {
        let Some(limited) = &self.0 else { return };
        let mut until = limited.until.subscribe();
        // The sender lives as long as `self`.
        drop(until.wait_for(|until| limited.uptime.now() < *until).await);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_right_ends_by_itself_and_waits_for_its_extension() {
        let secs = Arc::new(AtomicU64::new(100));
        let read = Arc::clone(&secs);
        let uptime = Uptime::from_fn(move || Duration::from_secs(read.load(Ordering::Relaxed)));
        let right = SendingRight::limited(uptime);
        assert!(!right.holds());
        let mut waits = Box::pin(right.wait());
        assert!(waits.as_mut().now_or_never().is_none());
        right.extend_to(Duration::from_secs(101));
        assert!(right.holds() && waits.now_or_never().is_some());
        secs.store(101, Ordering::Relaxed);
        assert!(!right.holds() && right.wait().now_or_never().is_none());
        right.extend_to(Duration::from_secs(200));
        right.withdraw();
        assert!(!right.holds());
    }

    #[test]
    fn a_right_without_a_lease_always_holds() {
        let right = SendingRight::unlimited();
        right.withdraw();
        assert!(right.holds() && right.wait().now_or_never().is_some());
    }
}
