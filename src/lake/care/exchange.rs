//! Files that give way to others, in one log entry: how merges, retention and purges become visible.
//!
//! An exchange stands only while every file that gives way is live. Another process may have exchanged or deleted it
//! since it was read, and its rows must neither come twice nor come back.

use std::collections::HashSet;
use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::log::{AddFile, Entry, LiveFile, LogState, RemoveFile};
use crate::delta::transact::Proposal;
use crate::lake::tables::OpenTable;

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
    table: &OpenTable,
    form: EntryForm,
    exchanges: &[Exchange],
    txns: impl Fn(&LogState) -> Vec<(String, i64)> + Send + Sync,
) -> Result<Vec<usize>, DeltaError> {
    let mut standing = Standing {
        table,
        form,
        exchanges,
        txns,
        at: Vec::new(),
    };
    let state = table.refreshed().await?;
    table.transact(state, &mut standing).await?;
    Ok(standing.at)
}

/// Exchanges, as far as they stand.
struct Standing<'a, F> {
    table: &'a OpenTable,
    form: EntryForm,
    exchanges: &'a [Exchange],
    txns: F,
    /// Where those are that stand as of the last state.
    at: Vec<usize>,
}

impl<F> Proposal for Standing<'_, F>
where
    F: Fn(&LogState) -> Vec<(String, i64)> + Send + Sync,
{
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let live = self.table.live(&state).await?;
        let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
        let stands = |exchange: &Exchange| {
            let mut inputs = exchange.inputs.iter();
            inputs.all(|file| live.contains(file.path.as_str()))
        };
        self.at = (0..self.exchanges.len())
            .filter(|at| stands(&self.exchanges[*at]))
            .collect();
        let standing = self.at.iter().map(|at| &self.exchanges[*at]);
        let entry = Entry {
            operation: self.form.operation,
            rearranges: self.form.rearranges,
            adds: standing
                .clone()
                .filter_map(|one| one.output.clone())
                .collect(),
            removes: standing
                .flat_map(|one| &one.inputs)
                .map(|file| RemoveFile::from(&**file))
                .collect(),
            txns: (self.txns)(&state),
        };
        let is_empty = entry.removes.is_empty() && entry.txns.is_empty();
        Ok((!is_empty).then_some(entry))
    }
}

/// What an entry says of itself.
#[derive(Clone, Copy)]
pub(in crate::lake) struct EntryForm {
    pub(in crate::lake) operation: &'static str,
    /// Rows only change files.
    pub(in crate::lake) rearranges: bool,
}
