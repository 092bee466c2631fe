//! Writes checkpoints, and replaces checkpoints and hints that cannot be used.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use tracing::{info, warn};

use crate::delta::log::DeltaLog;
use crate::delta::log::flaw::Flaw;
use crate::delta::log::log_error::LogError;
use crate::delta::object_key::ObjectKey;

impl DeltaLog {
    /// Writes a checkpoint of the known version, so that readers need not read every entry. Also replaces checkpoints
    /// and hints that could not be used: other programs may not get past them.
    pub async fn checkpoint(&self) -> Result<(), LogError> {
        let version = self.state().version;
        let found = self.flaws().clone();
        let mut left = found.clone();
        if found.contains(&Flaw::Hint) {
            // Without a hint, readers list the folder. A crash after this line leaves a log that everybody can read.
            let hint = ObjectKey::LastCheckpoint(&self.table).path();
            let deleted = self.store.delete(&hint).await;
            deleted.map_err(|fault| LogError::read(&self.table, fault))?;
        }
        for flaw in &found {
            if let Flaw::Checkpoint(flawed) = flaw
                && *flawed < version
                && self.reader.checkpoint(*flawed, &left).await.is_ok()
            {
                left.remove(flaw);
            }
        }
        self.reader.checkpoint(version, &left).await?;
        if !found.is_empty() {
            let table = &self.table;
            info!(%table, version, "the log of {table} has a checkpoint again that every reader can use");
            self.flaws().retain(|flaw| !found.contains(flaw));
        }
        Ok(())
    }

    /// Replaces checkpoints and hints that this process could not use. Does nothing when there are none.
    pub async fn replace_flawed(&self) -> Result<(), LogError> {
        if self.flaws().is_empty() {
            return Ok(());
        }
        self.checkpoint().await
    }

    /// Writes a checkpoint of a version that this process has committed, when one is due.
    pub(super) async fn checkpoint_if_due(&self, version: u64) {
        let interval = self.settings.checkpoint_interval.get();
        if version.is_multiple_of(interval) || !self.flaws().is_empty() {
            self.try_checkpoint().await;
        }
    }

    /// Writes a checkpoint of the known version. A failure is logged and does not matter: the log is complete without
    /// the checkpoint.
    pub async fn try_checkpoint(&self) {
        let version = self.state().version;
        if let Err(error) = self.checkpoint().await {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let table = &self.table;
            warn!(%table, version, %error, cause, "writing a checkpoint of {table} failed; the log is complete without it, and the next checkpoint tries again");
        }
    }

    /// Remembers what could not be used, and logs each once.
    pub(super) fn note(&self, found: &BTreeSet<Flaw>) {
        for flaw in found {
            if self.flaws().insert(*flaw) {
                let (table, file) = (&self.table, flaw.file(&self.table));
                warn!(%table, file, "{file} {flaw}; nothing is lost: the log of {table} is read from its other files, and the next commit or upkeep writes the file again");
            }
        }
    }

    /// Sets change completely under the lock, so a panic elsewhere leaves the set intact.
    pub(super) fn flaws(&self) -> MutexGuard<'_, BTreeSet<Flaw>> {
        self.flaws.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
