//! Putting one log entry, and finding out afterwards whose it is.
//!
//! An answer that was lost, or an error of a request that took effect, looks like a failure. So after anything but a
//! plain success the entry is read back: the commit id in it says whose it is. A transaction's version never does.

use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::time::sleep;

use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::log::action::from_json_lines;

/// How long to insist, and how long to trust what is known.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// How often a put or a read-back is tried before giving up.
    pub(super) attempts: u32,
    /// The first wait between two; each further one is twice as long.
    pub(super) first_wait: Duration,
    /// The longest.
    pub(super) longest_wait: Duration,
    /// How old a state may be and still be committed on. Entries live seven days; on a state older than that the next
    /// version could look free because the entry that took it was cleaned up.
    pub(super) longest_unconfirmed: Duration,
}

impl Default for Patience {
    /// About 20 s between attempts, on top of the few seconds within which the store client retries each.
    fn default() -> Self {
        Self {
            attempts: 9,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(5),
            longest_unconfirmed: Duration::from_hours(1),
        }
    }
}

/// Whose entry stands at the version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Published {
    Ours,
    Anothers,
}

/// Why an entry could not be put.
#[derive(Debug)]
pub(super) enum PublishError {
    /// Nothing is at the key, and trying again would not help.
    Refused(StoreFault),
    /// It may be there.
    Unknown(StoreFault),
}

/// Puts an entry if its version is free.
pub(super) async fn publish(
    objects: &dyn ObjectStore,
    path: &Path,
    entry: Bytes,
    commit_id: &str,
    patience: &Patience,
) -> Result<Published, PublishError> {
    let mut backoff = Backoff { patience, waits: 0 };
    loop {
        let put = objects
            .put_opts(
                path,
                entry.clone().into(),
                PutOptions::from(PutMode::Create),
            )
            .await;
        // A crash here is harmless: whoever comes next reads the entry and its transactions.
        let fault = match put {
            Ok(_) => return Ok(Published::Ours),
            Err(error) => StoreFault::from(error),
        };
        match read_back(objects, path, commit_id, &mut backoff).await {
            Ok(Some(whose)) => return Ok(whose),
            Ok(None) if is_final(&fault) => return Err(PublishError::Refused(fault)),
            // Free, whatever the put said: S3 answers 409 to two creates at once even if neither took effect.
            Ok(None) => backoff
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
    objects: &dyn ObjectStore,
    path: &Path,
    commit_id: &str,
    backoff: &mut Backoff<'_>,
) -> Result<Option<Published>, StoreFault> {
    loop {
        let read = match objects.get(path).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        let fault = match read {
            Ok(bytes) => return Ok(Some(whose(&bytes, commit_id))),
            Err(error) => StoreFault::from(error),
        };
        if fault.reason() == FaultReason::NotFound {
            return Ok(None);
        }
        if !fault.is_retryable() || backoff.wait().await.is_err() {
            return Err(fault);
        }
    }
}

/// An entry that cannot be read is not ours: ours are put whole or not at all.
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

/// Waits that double, up to a limit, with half of each left to chance.
struct Backoff<'a> {
    patience: &'a Patience,
    waits: u32,
}

impl Backoff<'_> {
    async fn wait(&mut self) -> Result<(), ()> {
        self.waits += 1;
        if self.waits >= self.patience.attempts {
            return Err(());
        }
        let doubled = self.patience.first_wait * 2_u32.saturating_pow(self.waits - 1);
        let longest = doubled.min(self.patience.longest_wait);
        sleep(longest.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
        Ok(())
    }
}
