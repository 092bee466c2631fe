//! Files that give way to others, in one log entry: how merges, retention and purges become visible.
//!
//! An exchange stands only while every file that gives way is live. Another process may have exchanged or deleted it
//! since it was read, and its rows must neither come twice nor come back.

use std::collections::HashSet;
use std::sync::Arc;

use crate::delta::log::{AddFile, CommitOutcome, Entry, LiveFile, LogState, RemoveFile};
use crate::lake::LakeError;
use crate::lake::intake::committer::Committer;

/// Files, and what takes their place.
pub(in crate::lake) struct Exchange {
    pub(in crate::lake) inputs: Vec<Arc<LiveFile>>,
    /// `None` when no row is left.
    pub(in crate::lake) output: Option<AddFile>,
}

/// Commits exchanges that are independent of each other, as far as they still stand, and returns how many did.
///
/// `txns` says what to write beside them, by the state that is committed on; an entry that would say nothing is not put.
/// A crash before the entry leaves files that nothing names, after it the old ones are vacuum's.
pub(in crate::lake) async fn exchange(
    table: &Committer,
    form: EntryForm,
    exchanges: &[Exchange],
    txns: impl Fn(&LogState) -> Vec<(String, i64)>,
) -> Result<Vec<usize>, LakeError> {
    let mut state = table.refreshed().await?;
    loop {
        let live = table.live(&state).await?;
        let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
        let stands = |exchange: &Exchange| {
            let mut inputs = exchange.inputs.iter();
            inputs.all(|file| live.contains(file.path.as_str()))
        };
        let standing: Vec<usize> = (0..exchanges.len())
            .filter(|at| stands(&exchanges[*at]))
            .collect();
        let entry = Entry {
            operation: form.operation,
            rearranges: form.rearranges,
            adds: standing
                .iter()
                .filter_map(|at| exchanges[*at].output.clone())
                .collect(),
            removes: standing
                .iter()
                .flat_map(|at| &exchanges[*at].inputs)
                .map(|file| RemoveFile::from(&**file))
                .collect(),
            txns: txns(&state),
        };
        if entry.removes.is_empty() && entry.txns.is_empty() {
            return Ok(standing);
        }
        match table.log.commit(&state, entry).await {
            Ok(CommitOutcome::Committed { .. }) => return Ok(standing),
            Ok(CommitOutcome::Lost { state: newer }) => state = newer,
            Err(error) => return Err(table.log_error(error)),
        }
    }
}

/// What an entry says of itself.
#[derive(Clone, Copy)]
pub(in crate::lake) struct EntryForm {
    pub(in crate::lake) operation: &'static str,
    /// Rows only change files.
    pub(in crate::lake) rearranges: bool,
}
