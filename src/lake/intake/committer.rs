//! Group commit: fetches of many integrations become visible in one log entry of their Delta table.
//!
//! A finished fetch is put into the table's queue and waits for its receipt. Each table with a non-empty queue has
//! one task, so the tables commit side by side. The task commits at once when the table had no commit within the last
//! window, and otherwise once per window. It commits before the window ends when the waiting fetches are worth an
//! entry: many fetches, or many bytes. So a load of many small tables does not wait for windows, and a quiet service
//! writes few entries. Rows of small deltas share a file, so they stay in memory until they are committed. When
//! another writer commits first, the shared file is written again without the rows of the fetches that lost.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::sync::{Notify, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::on_cpu;
use crate::delta::log::{Entry, LogState, RemoveFile};
use crate::delta::transact::Proposal;
use crate::lake::LakeError;
use crate::lake::intake::pending_fetch::{
    FetchedRows, FinishedFetch, PendingFetch, SharedFile, still_valid,
};
use crate::lake::intake::runs::Sorted;
use crate::lake::layout::{LakeTable, of_day};
use crate::lake::operation::Operation;
use crate::lake::tables::OpenTable;
use crate::sink::Receipt;

/// Decoded bytes of rows that wait for a shared file. Waiting rows above this limit are committed at once.
const WAITING_BYTES: usize = 32 << 20;

/// Waiting fetches with files of their own that are worth an entry before the window ends. Small deltas share a file, so
/// waiting makes fewer files of them.
const WORTH_FETCHES: usize = 100;

/// Fetches in one log entry, at most. Each adds about 2 KB to the entry.
const GROUP_FETCHES: usize = 1_000;

/// Tasks that are aborted when the lake is dropped.
pub(in crate::lake) type Tasks = Mutex<JoinSet<()>>;

/// Commits fetches to one Delta table.
pub(in crate::lake) struct Committer {
    pub(in crate::lake) table: OpenTable,
    window: Duration,
    queue: Mutex<WaitingFetches>,
    wake: Notify,
}

#[derive(Default)]
struct WaitingFetches {
    waiting: Vec<PendingFetch>,
    worker: Option<AbortHandle>,
    last_commit: Option<Instant>,
    urgent: bool,
}

impl Committer {
    /// Makes the committer of an opened table.
    pub(in crate::lake) fn new(table: OpenTable, window: Duration) -> Self {
        Self {
            table,
            window,
            queue: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Commits a finished fetch together with other waiting fetches. When the future is dropped, the fetch is
    /// committed completely or not at all.
    pub(in crate::lake) async fn commit(
        self: &Arc<Self>,
        tasks: &Tasks,
        finished: FinishedFetch,
    ) -> Result<Receipt, LakeError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = self.queue();
            queue.waiting.push(PendingFetch { finished, answer });
            if queue.worker.as_ref().is_none_or(AbortHandle::is_finished) {
                let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
                while tasks.try_join_next().is_some() {}
                queue.worker = Some(tasks.spawn(Arc::clone(self).work()));
            }
        }
        self.wake.notify_one();
        answered.await.unwrap_or(Err(DeltaError::Closed.into()))
    }

    /// Commits the waiting fetches without waiting for the window.
    pub(in crate::lake) fn flush(&self) {
        let mut queue = self.queue();
        queue.urgent = !queue.waiting.is_empty();
        drop(queue);
        self.wake.notify_one();
    }

    /// Returns the number of finished fetches that wait.
    pub(in crate::lake) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Returns the decoded bytes of the rows that wait for a shared file.
    pub(in crate::lake) fn waiting_bytes(&self) -> usize {
        self.queue().waiting_bytes()
    }

    /// Returns whether a fetch replaces the earlier rows of its table.
    pub(in crate::lake) fn replaces(&self) -> bool {
        matches!(self.table.name, LakeTable::Snapshots(_))
    }

    /// The queue holds complete entries at every step, so a panic elsewhere leaves the queue intact.
    fn queue(&self) -> MutexGuard<'_, WaitingFetches> {
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

    /// Takes the fetches for one entry. `None` ends the task. The lock is held, so that no fetch is queued while the
    /// task ends.
    fn take_group(&self) -> Option<Vec<PendingFetch>> {
        let mut queue = self.queue();
        // The caller of the commit is gone. The fetch is dropped as if it had not finished.
        queue.waiting.retain(|pending| !pending.answer.is_closed());
        let (mut group, mut rest) = (Vec::new(), Vec::new());
        let (mut keys, mut bytes) = (HashSet::new(), 0);
        for pending in std::mem::take(&mut queue.waiting) {
            // A second fetch of the same table started before the first one commits, so it is superseded. The next
            // round answers it.
            let alone = !keys.contains(pending.key());
            if alone && group.len() < GROUP_FETCHES && bytes <= WAITING_BYTES {
                bytes += pending.shared_bytes();
                keys.insert(pending.key().clone());
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

    /// Commits a group in one entry. When the rows of one member cannot be written, or its files are no longer on the
    /// store, only that member gets the error: the group is halved until the member is alone.
    async fn commit_group(&self, group: Vec<PendingFetch>) {
        let mut groups = vec![group];
        while let Some(group) = groups.pop() {
            if let Some((mut group, error)) = self.commit_together(group).await {
                if group.len() < 2 || !(error.is_of_rows() || error.is_lost_file()) {
                    for pending in group {
                        pending.answer(Err(error.clone()));
                    }
                    continue;
                }
                let second = group.split_off(group.len() / 2);
                groups.extend([second, group]);
            }
        }
    }

    /// Commits a group and answers its members. Returns the members that were not answered, and the error.
    async fn commit_together(
        &self,
        group: Vec<PendingFetch>,
    ) -> Option<(Vec<PendingFetch>, LakeError)> {
        let mut together = Together {
            committer: self,
            group,
            shared: SharedFile::None,
        };
        let committed = self.table.transact(self.table.state(), &mut together).await;
        let Together { group, shared, .. } = together;
        match committed {
            Ok(None) => None,
            Ok(Some(version)) => {
                debug!(table = %self.table.name, version, fetches = group.len(), "fetches committed");
                for pending in group {
                    let receipt = pending.receipt(version, &shared);
                    pending.answer(Ok(receipt));
                }
                None
            }
            Err(error) => Some((group, error.into())),
        }
    }

    /// Returns the files of the group's integrations. A new snapshot replaces every file of its integration.
    async fn replaced(
        &self,
        group: &[PendingFetch],
        state: &LogState,
    ) -> Result<Vec<RemoveFile>, DeltaError> {
        let mut replaced = Vec::new();
        for pending in group {
            let files = self.table.live_of(state, pending.key().as_str()).await?;
            replaced.extend(files.iter().map(|file| RemoveFile::from(&**file)));
        }
        Ok(replaced)
    }

    async fn write_shared(&self, group: &[PendingFetch]) -> Result<SharedFile, DeltaError> {
        let batches: Vec<RecordBatch> = group
            .iter()
            .filter_map(|pending| match &pending.finished.rows {
                FetchedRows::Shared(batches) => Some(batches.iter().cloned()),
                FetchedRows::Files(_) => None,
            })
            .flatten()
            .collect();
        if batches.is_empty() {
            return Ok(SharedFile::Empty);
        }
        let partition = of_day(self.table.today());
        let sorted = on_cpu(move || Sorted::new(batches)).await?;
        let written = self
            .table
            .files
            .write(move |form| sorted.encode(form), partition)
            .await?;
        Ok(written.map_or(SharedFile::Empty, SharedFile::Written))
    }
}

/// Fetches that are committed in one entry.
struct Together<'a> {
    committer: &'a Committer,
    group: Vec<PendingFetch>,
    shared: SharedFile,
}

impl Proposal for Together<'_> {
    /// Collects what the group adds to the table as of `state`. Fetches that another writer has overtaken are
    /// answered and removed from the group.
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let before = self.group.len();
        self.group = still_valid(std::mem::take(&mut self.group), &state);
        if self.group.is_empty() {
            return Ok(None);
        }
        if self.group.len() < before || matches!(self.shared, SharedFile::None) {
            // The file of the larger group stays on the store as an unreferenced file.
            self.shared = self.committer.write_shared(&self.group).await?;
        }
        let replaces = self.committer.replaces();
        let mut entry = Entry {
            operation: if replaces {
                Operation::ReplaceSnapshot.as_str()
            } else {
                Operation::Append.as_str()
            },
            ..Entry::default()
        };
        entry.adds.extend(self.shared.add().cloned());
        for pending in &self.group {
            if let FetchedRows::Files(files) = &pending.finished.rows {
                entry.adds.extend(files.iter().map(|file| file.add.clone()));
            }
            entry.txns.extend(pending.finished.fence.txns(&state));
        }
        if replaces {
            entry.removes = self.committer.replaced(&self.group, &state).await?;
        }
        Ok(Some(entry))
    }
}

/// Answers the waiting fetches when a task ends before its queue is empty: after a panic, or when the lake is closed.
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

impl WaitingFetches {
    /// Returns until when to wait for more fetches. `None` means commit now.
    fn opens_at(&self, window: Duration) -> Option<Instant> {
        let now = self.waiting.is_empty() || self.urgent || self.is_worth_an_entry();
        self.last_commit.filter(|_| !now).map(|last| last + window)
    }

    fn is_worth_an_entry(&self) -> bool {
        let of_files =
            |pending: &&PendingFetch| matches!(pending.finished.rows, FetchedRows::Files(_));
        self.waiting.iter().filter(of_files).count() >= WORTH_FETCHES
            || self.waiting_bytes() > WAITING_BYTES
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(PendingFetch::shared_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IntegrationId;
    use crate::lake::intake::pending_fetch::Fence;
    use crate::lake::table_txns::TableTxns;
    use crate::time::ObservedAt;

    const WINDOW: Duration = Duration::from_secs(30);

    fn pending() -> PendingFetch {
        let (answer, _) = oneshot::channel();
        let key = IntegrationId::new("tool:a").expect("an id").key();
        let finished = FinishedFetch {
            fence: Fence {
                start: TableTxns::of(&key, |_| None),
                base: None,
                tiers: Vec::new(),
                seen: ObservedAt::from_micros(0),
                first: None,
                history: None,
            },
            rows: FetchedRows::Files(Vec::new()),
        };
        PendingFetch { finished, answer }
    }

    fn queue(last_commit: Option<Instant>) -> WaitingFetches {
        WaitingFetches {
            waiting: vec![pending()],
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
        let urgent = WaitingFetches {
            urgent: true,
            ..queue(Some(Instant::now()))
        };
        assert_eq!(urgent.opens_at(WINDOW), None);
    }

    #[test]
    fn many_fetches_are_worth_an_entry_before_the_window_ends() {
        let last = Instant::now();
        let of = |fetches| WaitingFetches {
            waiting: std::iter::repeat_with(pending).take(fetches).collect(),
            ..queue(Some(last))
        };
        assert_eq!(of(WORTH_FETCHES - 1).opens_at(WINDOW), Some(last + WINDOW));
        assert_eq!(of(WORTH_FETCHES).opens_at(WINDOW), None);
    }
}
