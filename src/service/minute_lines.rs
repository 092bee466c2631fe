//! When the loop logs what was done: each minute, and at the end.

use super::run::{Service, TICK};
use crate::api::KomboApi;
use crate::sink::{Registry, Sink};

impl<A, S> Service<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Registry + Clone + 'static,
{
    /// Logs what was done in the last minute, once the minute is over.
    pub(super) fn tell_minute(&mut self) {
        let wait = self.api().waits().filter(|wait| wait.left > TICK);
        let wait = wait.map(|wait| wait.shown(self.clock.now()));
        let metrics = &self.metrics;
        self.summary.tick(|| metrics.activity(), wait.as_deref());
    }

    /// Logs what was done since the last summary, at the end of the service.
    pub(super) fn tell_last_minute(&mut self) {
        self.gauge(self.now());
        self.summary.log(self.metrics.activity(), None);
    }
}
