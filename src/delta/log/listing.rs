//! What lies in the folder of a log: entries, checkpoints, and the hint that names the newest checkpoint.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::Deserialize;

use crate::delta::log::log_error::LogError;
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;
use crate::json;

/// The objects of a log, by version. Objects of other kinds are left out: nothing depends on them.
#[derive(Default)]
pub(super) struct LogListing {
    /// The entries.
    pub(super) entries: BTreeMap<u64, ObjectMeta>,
    /// The files of each checkpoint. A checkpoint may have several parts.
    pub(super) checkpoints: BTreeMap<u64, Vec<ObjectMeta>>,
}

impl LogListing {
    /// Lists the objects of the versions `from` and later.
    pub(super) async fn from(
        store: &TableStore,
        table: &TablePath,
        from: u64,
    ) -> Result<Self, LogError> {
        let log = ObjectKey::Log(table).path();
        // The names of all objects of a version come after its digits.
        let before = Path::from(format!("{log}/{from:020}"));
        let mut listed = match from {
            0 => store.objects().list(Some(&log)),
            _ => store.objects().list_with_offset(Some(&log), &before),
        };
        let mut found = Self::default();
        while let Some(object) = listed
            .try_next()
            .await
            .map_err(|error| LogError::read(table, error.into()))?
        {
            found.add(object, &log);
        }
        Ok(found)
    }

    /// Returns the newest version of an entry or checkpoint. `None` when there is neither.
    pub(super) fn newest(&self) -> Option<u64> {
        let checkpoint = self.checkpoints.keys().next_back();
        self.entries.keys().next_back().max(checkpoint).copied()
    }

    fn add(&mut self, object: ObjectMeta, log: &Path) {
        let mut below = object.location.prefix_match(log).into_iter().flatten();
        let (Some(name), None) = (below.next(), below.next()) else {
            return;
        };
        let name = name.as_ref().to_owned();
        drop(below);
        if let Some(version) = entry_version(&name) {
            self.entries.insert(version, object);
        } else if let Some(version) = checkpoint_version(&name) {
            self.checkpoints.entry(version).or_default().push(object);
        }
    }
}

/// What `_last_checkpoint` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// There is no such file.
    None,
    /// The content is not what the protocol says.
    Garbled,
    /// The newest checkpoint is at this version, or at a later one.
    At(u64),
}

impl Hint {
    pub(super) async fn read(store: &TableStore, table: &TablePath) -> Result<Self, LogError> {
        #[derive(Deserialize)]
        struct LastCheckpoint {
            version: u64,
        }
        let key = ObjectKey::LastCheckpoint(table).path();
        let read = store.read_if_there(&key).await;
        let bytes = read.map_err(|fault| LogError::read(table, fault))?;
        Ok(bytes.map_or(Self::None, |bytes| {
            json::from_slice::<LastCheckpoint>(&bytes)
                .map_or(Self::Garbled, |last| Self::At(last.version))
        }))
    }
}

/// Reads the version from the name of a log entry. `None` for checkpoints and other files.
pub(super) fn entry_version(name: &str) -> Option<u64> {
    version_before(name, |kind| kind == "json")
}

/// Reads the version from the name of a checkpoint, or of a part of one.
pub(super) fn checkpoint_version(name: &str) -> Option<u64> {
    version_before(name, |kind| {
        kind.starts_with("checkpoint.")
            && matches!(kind.rsplit('.').next(), Some("parquet" | "json"))
    })
}

/// Reads the version at the start of a name: of an entry, of a checkpoint in one or several parts, or of a checksum.
pub(super) fn version_of(name: &str) -> Option<u64> {
    let checksum = || version_before(name, |kind| kind == "crc");
    entry_version(name)
        .or_else(|| checkpoint_version(name))
        .or_else(checksum)
}

fn version_before(name: &str, is_kind: impl FnOnce(&str) -> bool) -> Option<u64> {
    let (digits, kind) = name.split_once('.')?;
    let is_version = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_version && is_kind(kind)).then(|| digits.parse().ok())?
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
            "+0000000000000000042.json",
        ] {
            assert_eq!(version_of(name), None, "{name}");
        }
        assert_eq!(entry_version(&format!("{digits}.checkpoint.x.json")), None);
    }
}
