//! The one loop by which a table changes.
//!
//! A change is proposed for one state of the table. The proposal says which files become visible, which files stop
//! being visible, and which transactions advance. The data files of the change are on the store already, and no log
//! entry names them. One log entry makes the complete change visible. Each put of that entry has one of three
//! outcomes:
//!
//! 1. **Ours.** The entry is in the log under our commit id. The complete change is done.
//! 2. **Another's.** Another writer took the version. No part of our change is visible. The other commit may
//!    contradict the proposal, so the change is proposed again for the newer state. The proposer then decides whether
//!    there is still something to do, and recomputes the removals.
//! 3. **An error.** The log cannot be read or written. Either no part of our change is visible, or the error says
//!    that the outcome is unknown. In the second case the change is visible completely or not at all, and repeating
//!    the work finds out which.
//!
//! The loop repeats after the second outcome only. The loop ends with a version, with an error, or with `None` once
//! the proposal finds nothing left to do. There is no bound: each repetition means that another writer made progress.
//!
//! Right before the entry, the store is asked for each new file: one request per file. A file that is missing or has
//! another length ends the change with an error, and nothing of the change is visible.
//!
//! A crash before the entry leaves unreferenced files, which vacuum deletes. A crash after the entry leaves nothing
//! to do.

use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::log::{CommitOutcome, Entry, LogState};
use crate::delta::table::Table;

/// A change of a table, proposed again for each newer state.
pub(crate) trait Proposal: Send {
    /// Returns the entry to commit on top of `state`. `None` when there is nothing to do. Called again for each newer
    /// state.
    fn entry(
        &mut self,
        state: Arc<LogState>,
    ) -> impl Future<Output = Result<Option<Entry>, DeltaError>> + Send;
}

impl Table {
    /// Commits the proposed change on top of `state`, or on top of a newer state when another writer commits first.
    /// Returns the version of the entry. `None` when the proposal found nothing to do.
    pub(crate) async fn transact<P: Proposal>(
        &self,
        mut state: Arc<LogState>,
        proposal: &mut P,
    ) -> Result<Option<u64>, DeltaError> {
        loop {
            let Some(entry) = proposal.entry(Arc::clone(&state)).await? else {
                return Ok(None);
            };
            // A machine may have stood still since the upload, until vacuum deleted the files. A store may have accepted
            // a file without writing it. The entry would name files that nobody can read.
            self.files.must_have(&entry.adds).await?;
            match self.log.commit(&state, entry).await? {
                CommitOutcome::Committed { version } => return Ok(Some(version)),
                CommitOutcome::Lost { state: newer } => state = newer,
            }
        }
    }
}
