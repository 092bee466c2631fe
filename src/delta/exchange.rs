//! Replaces files with others in one log entry. Merging, rewriting and dropping files are all exchanges.
//!
//! An exchange is valid only while all its input files are live. Another process may have exchanged or deleted an
//! input since it was read. Then committing the exchange would duplicate rows or bring deleted rows back.

use std::collections::HashSet;
use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::log::{AddFile, Entry, LiveFile, LogState, RemoveFile};
use crate::delta::table::Table;
use crate::delta::transact::Proposal;

/// Files in one log entry, at most.
pub(crate) const BATCH_FILES: usize = 200;

/// How often a table is read again while other writers keep exchanging its files.
const ATTEMPTS: u32 = 10;

/// Files, and the file that replaces them.
pub(crate) struct Exchange {
    pub(crate) inputs: Vec<Arc<LiveFile>>,
    /// `None` when no row is left.
    pub(crate) output: Option<AddFile>,
}

/// Number of rows and files that a change concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) rows: u64,
    pub(crate) files: u64,
}

/// A change of all files of a table.
pub(crate) trait FileChange: Sync {
    /// Returns how many rows of the file the change concerns, and the exchange. `None` when the file stays as it is.
    fn of(
        &self,
        file: &Arc<LiveFile>,
    ) -> impl Future<Output = Result<Option<(u64, Exchange)>, DeltaError>> + Send;

    /// Returns the transactions to commit together with the exchanges, for the state that the commit builds on.
    fn txns(&self, state: &LogState) -> Vec<(String, i64)>;
}

impl Table {
    /// Commits exchanges that are independent of each other. Returns the positions of the exchanges that were still
    /// valid and are committed.
    ///
    /// `txns` returns the transactions to commit together with them, for the state that the commit builds on. An
    /// empty entry is not put. A crash before the entry leaves unreferenced files. A crash after the entry leaves the
    /// replaced files. Vacuum deletes both.
    pub(crate) async fn exchange(
        &self,
        operation: &'static str,
        exchanges: &[Exchange],
        txns: impl Fn(&LogState) -> Vec<(String, i64)> + Send + Sync,
    ) -> Result<Vec<usize>, DeltaError> {
        self.propose(operation, false, exchanges, txns).await
    }

    /// Replaces many files with one file of the same rows. Returns `false` when some of the many are no longer live:
    /// another process has merged or deleted them, and their rows must not come back.
    pub(crate) async fn rearrange(
        &self,
        operation: &'static str,
        merged: Exchange,
    ) -> Result<bool, DeltaError> {
        let merged = [merged];
        let stood = self.propose(operation, true, &merged, |_| Vec::new());
        Ok(!stood.await?.is_empty())
    }

    /// Changes file after file, and starts again until no file was exchanged by another writer meanwhile. A dry run
    /// only counts.
    pub(crate) async fn change_files(
        &self,
        operation: &'static str,
        change: &impl FileChange,
        dry_run: bool,
    ) -> Result<Extent, DeltaError> {
        let mut done = Extent::default();
        for _ in 0..ATTEMPTS {
            if self
                .change_once(operation, change, dry_run, &mut done)
                .await?
            {
                return Ok(done);
            }
        }
        let table = self.path().to_string();
        Err(DeltaError::Contended { table })
    }

    /// Returns whether every file that was read was still live at the commit.
    async fn change_once(
        &self,
        operation: &'static str,
        change: &impl FileChange,
        dry_run: bool,
        done: &mut Extent,
    ) -> Result<bool, DeltaError> {
        let state = self.refreshed().await?;
        let mut files = self.live(&state).await?.into_iter();
        let mut all_stood = true;
        loop {
            let (mut rows, mut exchanges) = (Vec::new(), Vec::new());
            while exchanges.len() < BATCH_FILES
                && let Some(file) = files.next()
            {
                if let Some((concerned, exchange)) = change.of(&file).await? {
                    rows.push(concerned);
                    exchanges.push(exchange);
                }
            }
            let stood = if dry_run {
                (0..rows.len()).collect()
            } else {
                // There may be transactions to commit even where no file changes.
                let txns = |state: &LogState| change.txns(state);
                self.exchange(operation, &exchanges, txns).await?
            };
            done.rows += stood.iter().map(|at| rows[*at]).sum::<u64>();
            done.files += stood.len() as u64;
            all_stood &= stood.len() == rows.len();
            if files.as_slice().is_empty() {
                return Ok(all_stood);
            }
        }
    }

    async fn propose(
        &self,
        operation: &'static str,
        rearranges: bool,
        exchanges: &[Exchange],
        txns: impl Fn(&LogState) -> Vec<(String, i64)> + Send + Sync,
    ) -> Result<Vec<usize>, DeltaError> {
        let mut proposed = ProposedExchanges {
            table: self,
            operation,
            rearranges,
            exchanges,
            txns,
            standing: Vec::new(),
        };
        let state = self.refreshed().await?;
        self.transact(state, &mut proposed).await?;
        Ok(proposed.standing)
    }
}

/// Exchanges, of which only the valid ones are committed.
struct ProposedExchanges<'a, F> {
    table: &'a Table,
    operation: &'static str,
    rearranges: bool,
    exchanges: &'a [Exchange],
    txns: F,
    /// Positions of the exchanges that are valid as of the last state.
    standing: Vec<usize>,
}

impl<F> Proposal for ProposedExchanges<'_, F>
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
        self.standing = (0..self.exchanges.len())
            .filter(|at| stands(&self.exchanges[*at]))
            .collect();
        let standing = self.standing.iter().map(|at| &self.exchanges[*at]);
        let adds = standing.clone().filter_map(|one| one.output.clone());
        let removes = standing.flat_map(|one| &one.inputs);
        let entry = Entry {
            operation: self.operation,
            rearranges: self.rearranges,
            adds: adds.collect(),
            removes: removes.map(|file| RemoveFile::from(&**file)).collect(),
            txns: (self.txns)(&state),
        };
        let is_empty = entry.removes.is_empty() && entry.txns.is_empty();
        Ok((!is_empty).then_some(entry))
    }
}
