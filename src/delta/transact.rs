//! The one loop by which a table changes.
//!
//! A change is proposed as of a state of the table: which files become visible, which stop being so, which transactions
//! move. Its data files are on the store already, under names that nothing names. One log entry makes all of it visible.
//! Each put of that entry ends in one of three ways:
//!
//! 1. **Ours.** The entry is in the log under our commit id. The change is done, whole.
//! 2. **Another's.** Another writer took the version. Nothing of ours is visible. What it committed may contradict the
//!    proposal, so the change is proposed again, as of the newer state. Who proposes decides then whether there is still
//!    something to do, and recomputes whatever it removes.
//! 3. **An error.** The log cannot be read or written. Either nothing of ours is visible, or the error says that the
//!    outcome is unknown; then the change is visible as a whole or not at all, and doing the work again finds out.
//!
//! So the loop goes round after the second ending only, and ends with a version, with an error, or with `None` once the
//! proposal finds that nothing is left to be done. It has no bound: each turn means that another writer got on.
//!
//! A crash before the entry leaves files that nothing names, which vacuum deletes; a crash after it leaves nothing to do.

use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::log::{CommitOutcome, Entry, LogState};
use crate::delta::table::Table;

/// A change of a table, proposed as of one state after the other.
pub(crate) trait Proposal: Send {
    /// Says what to commit onto `state`; `None` when nothing is to be done. Asked again for each newer state.
    fn entry(
        &mut self,
        state: Arc<LogState>,
    ) -> impl Future<Output = Result<Option<Entry>, DeltaError>> + Send;
}

impl Table {
    /// Commits what is proposed, first as of `state`, then as of each newer one that another writer made. Returns the
    /// version of the entry; `None` when the proposal was that nothing is to be done.
    pub(crate) async fn transact<P: Proposal>(
        &self,
        mut state: Arc<LogState>,
        proposal: &mut P,
    ) -> Result<Option<u64>, DeltaError> {
        loop {
            let Some(entry) = proposal.entry(Arc::clone(&state)).await? else {
                return Ok(None);
            };
            match self.log.commit(&state, entry).await? {
                CommitOutcome::Committed { version } => return Ok(Some(version)),
                CommitOutcome::Lost { state: newer } => state = newer,
            }
        }
    }
}
