//! Deletes log entries and checkpoints below an old checkpoint, and finds the files that were removed recently.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::delta::log::kernel::Replay;
use crate::delta::log::log_error::LogError;
use crate::delta::log::{DeltaLog, action};
use crate::delta::object_key::ObjectKey;
use crate::time::Moment;

impl DeltaLog {
    /// Lists the objects that the log no longer needs, in the order in which they may be deleted: all objects below
    /// the newest checkpoint written before `before`. Versions committed after `before` stay readable.
    pub async fn outdated(&self, before: Moment) -> Result<Vec<Path>, LogError> {
        let mut found = self.listed().await?;
        let anchor = found
            .iter()
            .filter(|(_, meta)| meta.last_modified.timestamp_millis() < before.as_millis())
            .filter(|(version, meta)| {
                let checkpoint = ObjectKey::Checkpoint(&self.table, *version).path();
                meta.location == checkpoint
            })
            .map(|(version, _)| *version)
            .max();
        let Some(anchor) = anchor.filter(|version| *version > 0) else {
            return Ok(Vec::new());
        };
        // The table will depend on this checkpoint, so the checkpoint has to be readable.
        self.kernel.replay(Some(anchor), Replay::State).await?;
        found.retain(|(version, _)| *version < anchor);
        // Entries come before checkpoints of the same version. A crash in between leaves a shorter log without holes.
        found.sort_by_key(|(version, meta)| {
            let is_entry = meta.location.extension() == Some("json");
            (*version, !is_entry, meta.location.clone())
        });
        Ok(found.into_iter().map(|(_, meta)| meta.location).collect())
    }

    /// Deletes the objects that [`outdated`](Self::outdated) listed, one after the other. Returns how many objects
    /// were deleted.
    pub async fn clean_up(&self, outdated: &[Path]) -> Result<u64, LogError> {
        for path in outdated {
            let deleted = self.store.delete(path).await;
            deleted.map_err(|fault| LogError::read(&self.table, fault))?;
        }
        Ok(outdated.len() as u64)
    }

    /// Returns the files that were removed after `after`, by path below the table's folder. Includes removed files
    /// for which the log has no time.
    pub async fn removed_since(&self, after: Moment) -> Result<HashSet<String>, LogError> {
        let replayed = self.kernel.replay(None, Replay::Removed);
        let (_, lines) = replayed.await?;
        let removed = lines.into_iter().filter_map(|line| line.remove);
        let recent = removed.filter(|file| {
            file.deletion_timestamp
                .is_none_or(|at| at > after.as_millis())
        });
        Ok(recent.map(|file| action::decode_path(&file.path)).collect())
    }

    /// Lists the objects of the log that have a version in their name, whoever wrote them.
    async fn listed(&self) -> Result<Vec<(u64, ObjectMeta)>, LogError> {
        let log = ObjectKey::Log(&self.table).path();
        let found: Vec<ObjectMeta> = self
            .store
            .objects()
            .list(Some(&log))
            .try_collect()
            .await
            .map_err(|error| LogError::read(&self.table, error.into()))?;
        let direct = found.into_iter().filter_map(|meta| {
            let mut below = meta.location.prefix_match(&log)?;
            let name = below.next()?;
            let version = version_of(name.as_ref())?;
            below.next().is_none().then_some((version, meta.clone()))
        });
        Ok(direct.collect())
    }
}

/// Reads the version at the start of a name: of an entry, of a checkpoint in one or several parts, or of a checksum.
fn version_of(name: &str) -> Option<u64> {
    let (digits, kind) = name.split_once('.')?;
    let in_parts = || {
        kind.starts_with("checkpoint.")
            && matches!(kind.rsplit('.').next(), Some("parquet" | "json"))
    };
    let known = matches!(kind, "json" | "crc") || in_parts();
    (known && digits.len() == 20).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_bears_a_version_is_the_logs() {
        let digits = "00000000000000000042";
        for kind in [
            "json",
            "crc",
            "checkpoint.parquet",
            "checkpoint.0000000001.0000000002.parquet",
        ] {
            assert_eq!(version_of(&format!("{digits}.{kind}")), Some(42), "{kind}");
        }
        for name in [
            "_last_checkpoint",
            "42.json",
            "00000000000000000042.tmp",
            "0000000000000000004x.json",
        ] {
            assert_eq!(version_of(name), None, "{name}");
        }
    }
}
