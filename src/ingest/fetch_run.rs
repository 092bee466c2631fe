//! One run of an order: what was ordered, who is told, and what became of the rows so far.

use tracing::warn;

use super::{FetchStep, Order, Watch};
use crate::fetch::Counts;
use crate::sink::WriteError;

/// Walks of one table, the first included, when walks break.
const MAX_WALKS: u32 = 3;

/// One run of an order.
pub(super) struct FetchRun<'a, W> {
    pub(super) order: &'a Order,
    pub(super) watch: &'a W,
    pub(super) counts: Counts,
}

impl<W: Watch> FetchRun<'_, W> {
    /// Says whether a fresh walk may do after the one of this number, tells everybody, and counts it.
    pub(super) fn restarts(&self, walk: &mut u32, error: &WriteError) -> bool {
        match error {
            WriteError::Fetch(error) if error.restarts() && *walk < MAX_WALKS => {
                let table = &self.order.table;
                warn!(integration.id = %table.integration, endpoint = %table.endpoint, walk = *walk, error = error as &dyn std::error::Error, "a walk of {table} broke, starting again");
                self.watch.step(FetchStep::Restarted(error));
                *walk += 1;
                true
            }
            _ => false,
        }
    }
}
