//! Writes checkpoints, and replaces checkpoints and hints that cannot be used.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use tracing::{info, warn};

use crate::delta::log::DeltaLog;
use crate::delta::log::flaw::Flaw;
use crate::delta::log::log_error::LogError;
use crate::delta::log::log_reader::{LogReader, TRIES, may_pass};
use crate::delta::object_key::ObjectKey;

impl LogReader {
    /// Writes a checkpoint of a version, and the `_last_checkpoint` file that names it. Does nothing when there is such a
    /// checkpoint, unless `flawed` holds it. Does nothing either when another process has written a checkpoint of a newer
    /// version, and has deleted the entries that this one would be made of.
    pub(super) async fn checkpoint(
        &self,
        version: u64,
        flawed: &BTreeSet<Flaw>,
    ) -> Result<(), LogError> {
        let mut tries = 1;
        loop {
            let error = match self.checkpoint_once(version, flawed).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let is_of_gone_file = match &error {
                LogError::Kernel { source, .. } => source.is_not_found(),
                error => error.damage().is_some(),
            };
            if is_of_gone_file && self.has_newer_checkpoint(version).await? {
                return Ok(());
            }
            if tries == TRIES || !is_of_gone_file && !may_pass(&error) {
                return Err(error);
            }
            tries += 1;
        }
    }
}

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
