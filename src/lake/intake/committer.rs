//! Group commit: fetches of many integrations become visible in one log entry of their Delta table.
//!
//! A finished fetch is put into the table's queue and waits for its answer. One task per table, which lives while the
//! queue is not empty, takes what is there: at once when the table was quiet for a window, else once per window. Rows of
//! small deltas are kept until they are committed, since they share a file: when another writer was faster, the file is
//! written again without the rows of those who lost.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::sync::{Notify, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::delta::file::data_files::{DataFiles, on_cpu};
use crate::delta::file::runs::Sorted;
use crate::delta::log::{CommitOutcome, DeltaLog, Entry, LiveFile, LogError, LogState, RemoveFile};
use crate::ids::IntegrationKey;
use crate::lake::LakeError;
use crate::lake::intake::group::{
    Finished, Pending, Receipt, Rows, SharedFile, answer_all, still_valid,
};
use crate::lake::layout::{DeltaTable, Partition};
use crate::lake::txns::TableTxns;

/// Decoded rows that wait for a shared file are committed before they get more than this.
const WAITING_BYTES: usize = 32 << 20;

/// Fetches in one log entry. Each adds about 4 KB to it.
const GROUP_FETCHES: usize = 1_000;

const MS_PER_DAY: i64 = 86_400_000;

/// Tasks that end with the lake.
pub(crate) type Tasks = Mutex<JoinSet<()>>;

/// Commits to one Delta table.
pub(crate) struct Committer {
    pub(crate) files: DataFiles,
    pub(crate) log: DeltaLog,
    window: Duration,
    queue: Mutex<Queue>,
    wake: Notify,
}

struct Queue {
    waiting: Vec<Pending>,
    worker: Option<AbortHandle>,
    last_commit: Option<Instant>,
    urgent: bool,
}

impl Committer {
    /// Makes the committer of an opened table.
    pub(crate) fn new(files: DataFiles, log: DeltaLog, window: Duration) -> Self {
        Self {
            files,
            log,
            window,
            queue: Mutex::new(Queue {
                waiting: Vec::new(),
                worker: None,
                last_commit: None,
                urgent: false,
            }),
            wake: Notify::new(),
        }
    }

    /// Commits a finished fetch with others of its time. Dropping the future leaves the fetch uncommitted, or committed
    /// as a whole.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        tasks: &Tasks,
        finished: Finished,
    ) -> Result<Receipt, LakeError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = self.queue();
            queue.urgent |= finished.urgent;
            queue.waiting.push(Pending { finished, answer });
            if queue.worker.as_ref().is_none_or(AbortHandle::is_finished) {
                let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
                while tasks.try_join_next().is_some() {}
                queue.worker = Some(tasks.spawn(Arc::clone(self).work()));
            }
        }
        self.wake.notify_one();
        answered.await.unwrap_or(Err(LakeError::Closed))
    }

    /// Commits what waits, window or not.
    pub(crate) fn flush(&self) {
        let mut queue = self.queue();
        queue.urgent = !queue.waiting.is_empty();
        drop(queue);
        self.wake.notify_one();
    }

    /// Returns how many finished fetches wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Returns whether a fetch replaces what its table had before.
    pub(crate) fn replaces(&self) -> bool {
        matches!(self.table(), DeltaTable::Snapshots(_))
    }

    fn table(&self) -> &DeltaTable {
        &self.files.table
    }

    /// The queue holds whole entries at every step, so a panic elsewhere leaves it right.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(self: Arc<Self>) {
        let mut left_over = AnswersLeftOver(Some(&self));
        loop {
            self.window_opens().await;
            let Some(group) = self.take_group() else {
                left_over.0 = None;
                return;
            };
            self.commit_group(group).await;
            self.queue().last_commit = Some(Instant::now());
        }
    }

    async fn window_opens(&self) {
        loop {
            let opens_at = self.queue().opens_at(self.window);
            let Some(opens_at) = opens_at.filter(|instant| *instant > Instant::now()) else {
                return;
            };
            tokio::select! {
                () = sleep_until(opens_at) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Takes what one entry can hold. `None` ends the task: under the lock, so that nobody queues behind its back.
    fn take_group(&self) -> Option<Vec<Pending>> {
        let mut queue = self.queue();
        // Whoever asked for it is gone: it is as if the fetch had not finished.
        queue.waiting.retain(|pending| !pending.answer.is_closed());
        let (mut group, mut rest) = (Vec::new(), Vec::new());
        let (mut keys, mut bytes) = (HashSet::new(), 0);
        for pending in std::mem::take(&mut queue.waiting) {
            // A second fetch of the same table was not begun from what the first one commits: the next round tells it so.
            let alone = pending.key().is_none_or(|key| !keys.contains(key));
            if alone && group.len() < GROUP_FETCHES && bytes <= WAITING_BYTES {
                bytes += pending.shared_bytes();
                keys.extend(pending.key().cloned());
                group.push(pending);
            } else {
                rest.push(pending);
            }
        }
        queue.urgent = !rest.is_empty();
        queue.waiting = rest;
        if group.is_empty() {
            queue.worker = None;
            return None;
        }
        Some(group)
    }

    /// Commits a group in one entry. When one member's rows cannot be written, only that one is told so: the group is
    /// halved until the member is alone.
    async fn commit_group(&self, group: Vec<Pending>) {
        let mut groups = vec![group];
        while let Some(group) = groups.pop() {
            if let Some((mut group, error)) = self.commit_together(group).await {
                if group.len() < 2 || !error.is_of_rows() {
                    answer_all(group, &error);
                    continue;
                }
                let second = group.split_off(group.len() / 2);
                groups.extend([second, group]);
            }
        }
    }

    /// Commits a group and answers its members; gives those back that were not answered, and why.
    async fn commit_together(&self, mut group: Vec<Pending>) -> Option<(Vec<Pending>, LakeError)> {
        let mut state = self.log.state();
        let mut shared = SharedFile::None;
        loop {
            let before = group.len();
            group = still_valid(group, &state);
            if group.is_empty() {
                return None;
            }
            if group.len() < before {
                // The file written for the larger group is left behind: no entry names it.
                shared = SharedFile::None;
            }
            let outcome = match self.entry(&group, &state, &mut shared).await {
                Ok(entry) => self.log.commit(&state, entry).await,
                Err(error) => return Some((group, error)),
            };
            match outcome {
                Ok(CommitOutcome::Committed { version }) => {
                    debug!(table = %self.table(), version, fetches = group.len(), "committed");
                    for pending in group {
                        let receipt = pending.receipt(version, &shared);
                        pending.answer(Ok(receipt));
                    }
                    return None;
                }
                Ok(CommitOutcome::Lost { state: newer }) => state = newer,
                Err(error) => return Some((group, self.log_error(error))),
            }
        }
    }

    /// Puts together what the group adds to the table as of `state`.
    async fn entry(
        &self,
        group: &[Pending],
        state: &LogState,
        shared: &mut SharedFile,
    ) -> Result<Entry, LakeError> {
        if matches!(shared, SharedFile::None) {
            *shared = self.write_shared(group).await?;
        }
        let mut entry = Entry {
            operation: match self.table() {
                DeltaTable::Snapshots(_) => "REPLACE SNAPSHOT",
                _ => "APPEND",
            },
            ..Entry::default()
        };
        entry.adds.extend(shared.add().cloned());
        for pending in group {
            if let Rows::Files(files) = &pending.finished.rows {
                entry.adds.extend(files.iter().map(|file| file.add.clone()));
            }
            if let Some(fence) = &pending.finished.fence {
                let stored = TableTxns::of(fence.start.key(), |app| state.txn(app));
                entry
                    .txns
                    .extend(stored.moved(fence.base, &fence.tiers, fence.seen));
                let facts = fence.facts.iter();
                entry
                    .txns
                    .extend(facts.flat_map(|facts| facts.txns(fence.start.key())));
            }
        }
        if matches!(self.table(), DeltaTable::Snapshots(_)) {
            entry.removes = self.replaced(group, state).await?;
        }
        Ok(entry)
    }

    /// A new snapshot replaces every file its integration has.
    async fn replaced(
        &self,
        group: &[Pending],
        state: &LogState,
    ) -> Result<Vec<RemoveFile>, LakeError> {
        let keys: HashSet<&str> = group
            .iter()
            .filter_map(|pending| pending.key())
            .map(IntegrationKey::as_str)
            .collect();
        let live = self.live(state).await?;
        let replaced = live.iter().filter(|file| {
            let partition = file.partition_values.get(Partition::INTEGRATION_KEY);
            partition.is_some_and(|key| key.as_deref().is_some_and(|key| keys.contains(key)))
        });
        Ok(replaced.map(|file| RemoveFile::from(&**file)).collect())
    }

    async fn write_shared(&self, group: &[Pending]) -> Result<SharedFile, LakeError> {
        let batches: Vec<RecordBatch> = group
            .iter()
            .filter_map(|pending| match &pending.finished.rows {
                Rows::Shared(batches) => Some(batches.iter().cloned()),
                Rows::Files(_) => None,
            })
            .flatten()
            .collect();
        if batches.is_empty() {
            return Ok(SharedFile::Empty);
        }
        let partition = match self.table() {
            DeltaTable::Deltas(_) => Partition::CommitDate(self.today()),
            _ => Partition::Whole,
        };
        let sorted = Arc::new(on_cpu(move || Sorted::new(batches)).await?);
        let written = self.files.write(sorted, partition).await?;
        Ok(written.map_or(SharedFile::Empty, SharedFile::Written))
    }

    /// Returns the day of a commit made now, in days since the epoch.
    pub(crate) fn today(&self) -> i32 {
        let days = self.files.clock.wall_ms().div_euclid(MS_PER_DAY);
        i32::try_from(days).unwrap_or(i32::MAX)
    }

    /// Reads what other writers committed.
    pub(crate) async fn refreshed(&self) -> Result<Arc<LogState>, LakeError> {
        let state = self.log.refresh().await;
        state.map_err(|error| self.log_error(error))
    }

    /// Lists the table's files.
    pub(crate) async fn live(&self, state: &LogState) -> Result<Vec<Arc<LiveFile>>, LakeError> {
        let live = self.log.live_files(state).await;
        live.map_err(|error| self.log_error(error))
    }

    pub(crate) fn log_error(&self, source: LogError) -> LakeError {
        LakeError::Log {
            table: self.table().to_string(),
            source: Arc::new(source),
        }
    }
}

/// A task that ends before its queue is empty (a panic, or the lake is closed) leaves nobody waiting for ever.
struct AnswersLeftOver<'a>(Option<&'a Committer>);

impl Drop for AnswersLeftOver<'_> {
    fn drop(&mut self) {
        if let Some(committer) = self.0 {
            let mut queue = committer.queue();
            queue.waiting.clear();
            queue.worker = None;
        }
    }
}

impl Queue {
    /// Returns until when to wait for others to join; `None` for not at all.
    fn opens_at(&self, window: Duration) -> Option<Instant> {
        let now = self.waiting.is_empty() || self.urgent || self.waiting_bytes() > WAITING_BYTES;
        self.last_commit.filter(|_| !now).map(|last| last + window)
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(Pending::shared_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    fn queue(last_commit: Option<Instant>) -> Queue {
        let (answer, _) = oneshot::channel();
        let finished = Finished {
            fence: None,
            rows: Rows::Files(Vec::new()),
            urgent: false,
        };
        Queue {
            waiting: vec![Pending { finished, answer }],
            worker: None,
            last_commit,
            urgent: false,
        }
    }

    #[test]
    fn a_table_without_commits_waits_for_nobody() {
        assert_eq!(queue(None).opens_at(WINDOW), None);
    }

    #[test]
    fn the_next_commit_is_a_window_after_the_last() {
        let last = Instant::now();
        assert_eq!(queue(Some(last)).opens_at(WINDOW), Some(last + WINDOW));
    }

    #[test]
    fn what_is_urgent_does_not_wait() {
        let urgent = Queue {
            urgent: true,
            ..queue(Some(Instant::now()))
        };
        assert_eq!(urgent.opens_at(WINDOW), None);
    }
}
