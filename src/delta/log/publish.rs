//! Puts one log entry, and finds out afterwards whose entry is in the log.
//!
//! A lost answer looks like a failure, and so does an error of a request that took effect. A store may also answer with
//! success and write nothing. So after every answer the entry is read back: one request per commit. The commit id in
//! the entry says whose entry it is. The version of a transaction cannot say so.

use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use tokio::time::sleep;

use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::log::action::from_json_lines;
use crate::delta::store::TableStore;
use crate::time::Backoff;

/// How long to retry, and how long a state is trusted.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// How often a put or a read-back is tried, at most.
    pub(super) attempts: u32,
    /// How long to wait between two tries.
    pub(super) backoff: Backoff,
    /// The greatest age of a state that may be committed on. Entries live seven days. With a state older than that,
    /// the next version could look free although it was taken: clean-up has deleted the entry that took it.
    pub(super) longest_unconfirmed: Duration,
}

impl Default for Patience {
    /// Waits about 20 s in total between attempts. The store client also retries each attempt for a few seconds.
    fn default() -> Self {
        Self {
            attempts: 9,
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5))
                .with_jitter(50),
            longest_unconfirmed: Duration::from_hours(1),
        }
    }
}

/// Who wrote the entry at the version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Published {
    Ours,
    Anothers,
}

/// Why an entry could not be put.
#[derive(Debug)]
pub(super) enum PublishError {
    /// No object has the key, and trying again would not help.
    Refused(StoreFault),
    /// The entry may be in the log.
    Unknown(StoreFault),
}

/// Puts an entry if its version is free.
pub(super) async fn publish(
    store: &TableStore,
    path: &Path,
    entry: Bytes,
    commit_id: &str,
    patience: &Patience,
) -> Result<Published, PublishError> {
    let mut attempts = Attempts {
        patience,
        failed: 0,
    };
    loop {
        // A crash after the put is harmless: the next process reads the entry and its transactions.
        let created = store.create(path, entry.clone()).await;
        let fault = created.err().unwrap_or(StoreFault::lost());
        match read_back(store, path, commit_id, &mut attempts).await {
            Ok(Some(whose)) => return Ok(whose),
            Ok(None) if is_final(&fault) => return Err(PublishError::Refused(fault)),
            // The version is free, whatever the put answered. S3 answers 409 to two creates at once even if neither
            // took effect. A store that loses what it accepts is asked again, too.
            Ok(None) => attempts
                .wait()
                .await
                .map_err(|()| PublishError::Unknown(fault))?,
            Err(fault) => return Err(PublishError::Unknown(fault)),
        }
    }
}

fn is_final(fault: &StoreFault) -> bool {
    !fault.is_retryable() && fault.reason() != FaultReason::AlreadyExists
}

async fn read_back(
    store: &TableStore,
    path: &Path,
    commit_id: &str,
    attempts: &mut Attempts<'_>,
) -> Result<Option<Published>, StoreFault> {
    loop {
        match store.read_if_there(path).await {
            Ok(found) => return Ok(found.map(|bytes| whose(&bytes, commit_id))),
            Err(fault) if !fault.is_retryable() || attempts.wait().await.is_err() => {
                return Err(fault);
            }
            Err(_) => {}
        }
    }
}

/// An entry that cannot be read is not ours, because our entries are put completely or not at all.
fn whose(entry: &[u8], commit_id: &str) -> Published {
    let ours = from_json_lines(entry).is_some_and(|lines| {
        lines
            .iter()
            .filter_map(|line| line.commit_info.as_ref())
            .any(|info| info.commit_id.as_deref() == Some(commit_id))
    });
    if ours {
        Published::Ours
    } else {
        Published::Anothers
    }
}

/// Attempts to commit one entry: puts and read-backs together.
struct Attempts<'a> {
    patience: &'a Patience,
    failed: u32,
}

impl Attempts<'_> {
    /// Waits before the next attempt. Returns an error when no attempt is left.
    async fn wait(&mut self) -> Result<(), ()> {
        if self.failed + 1 >= self.patience.attempts {
            return Err(());
        }
        sleep(self.patience.backoff.wait(self.failed)).await;
        self.failed += 1;
        Ok(())
    }
}
