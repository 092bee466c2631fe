//! One run of an order: the order, its watcher, and the counts so far.

use tracing::warn;

use super::{FetchStep, Order, Watch};
use crate::fetch::Counts;
use crate::sink::WriteError;
use crate::words::with_causes;

/// Most walks of one run, the first included, when walks break.
const MAX_WALKS: u32 = 3;

/// One run of an order.
pub(super) struct FetchRun<'a, W> {
    pub(super) order: &'a Order,
    pub(super) watch: &'a W,
    pub(super) counts: Counts,
}

impl<W: Watch> FetchRun<'_, W> {
    /// Returns whether a new walk may succeed after `error`. If so, logs and reports the restart and counts the walk.
    pub(super) fn restarts(&self, walk: &mut u32, error: &WriteError) -> bool {
        match error {
            WriteError::Fetch(error) if error.restarts() && *walk < MAX_WALKS => {
                let table = &self.order.table;
                warn!(integration.id = %table.integration, endpoint = %table.endpoint, walk = *walk, error = with_causes(error), "a walk of {table} broke off; the walk starts again from its first page");
                self.watch.step(FetchStep::Restarted(error));
                *walk += 1;
                true
            }
            _ => false,
        }
    }
}
