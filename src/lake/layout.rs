//! Every key of the lake, and the document that says which layout they follow.
//!
//! A key is built here or nowhere. Integration ids reach it only as an [`IntegrationKey`], so that nothing a webhook
//! sends can leave the lake's folder.

use std::fmt;

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::delta::fault::{FaultReason, LayoutError, StoreFault};
use crate::delta::store::LakeStore;
use crate::ids::{EndpointName, IntegrationKey};
use crate::json;
use crate::time::format_date;

/// The layout this build writes, and the only one it understands.
pub const LAYOUT_VERSION: u64 = 2;

/// A Delta table of the lake.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeltaTable {
    /// `kombo_integrations`: which integrations the lake has rows of.
    Integrations,
    /// `kombo_drift`: what full fetches found.
    Drift,
    /// `kombo_quarantine`: rows without a usable id.
    Quarantine,
    /// `kombo_holds`: what the guard holds back.
    Holds,
    /// `<category>_<endpoint>/snapshots`: one live snapshot per integration.
    Snapshots(EndpointName),
    /// `<category>_<endpoint>/deltas`: what changed, append-only.
    Deltas(EndpointName),
    /// `<category>_<endpoint>/current`: one row per record, folded from the two others.
    Current(EndpointName),
}

impl DeltaTable {
    /// Returns the table's folder below the lake's root.
    #[must_use]
    pub fn folder(&self) -> String {
        match self {
            Self::Integrations => "kombo_integrations".to_owned(),
            Self::Drift => "kombo_drift".to_owned(),
            Self::Quarantine => "kombo_quarantine".to_owned(),
            Self::Holds => "kombo_holds".to_owned(),
            Self::Snapshots(endpoint) => format!("{}/snapshots", endpoint.table_name()),
            Self::Deltas(endpoint) => format!("{}/deltas", endpoint.table_name()),
            Self::Current(endpoint) => format!("{}/current", endpoint.table_name()),
        }
    }
}

impl fmt::Display for DeltaTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.folder())
    }
}

/// The partition a data file lies in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Partition {
    /// The table has none.
    Whole,
    /// `integration_key=<key>`.
    Integration(IntegrationKey),
    /// `commit_date=YYYY-MM-DD`, in days since the epoch, UTC.
    CommitDate(i32),
}

impl Partition {
    /// The partition column of `snapshots` and `current`.
    pub const INTEGRATION_KEY: &'static str = "integration_key";
    /// The partition column of `deltas`.
    pub const COMMIT_DATE: &'static str = "commit_date";

    /// Returns column and value, as an add action holds them.
    #[must_use]
    pub fn value(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Whole => None,
            Self::Integration(key) => Some((Self::INTEGRATION_KEY, key.to_string())),
            Self::CommitDate(days) => Some((Self::COMMIT_DATE, format_date(*days))),
        }
    }
}

/// A data file within its table: `<partition>/part-<uuid>.zstd.parquet`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataFile {
    partition: Partition,
    id: Uuid,
}

impl DataFile {
    /// Names a file as no other file is named.
    #[must_use]
    pub fn fresh(partition: Partition) -> Self {
        Self {
            partition,
            id: Uuid::new_v4(),
        }
    }

    /// Returns the partition it lies in.
    #[must_use]
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Returns its path below the table's folder, as an add action names it.
    #[must_use]
    pub fn path(&self) -> String {
        let name = format!("part-{}.zstd.parquet", self.id);
        match self.partition.value() {
            None => name,
            Some((column, value)) => format!("{column}={value}/{name}"),
        }
    }
}

/// Every key below the lake's root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKey<'a> {
    /// `kombo_layout.json`
    Layout,
    /// `kombo_status.json`: what a running service says of itself.
    Status,
    /// `<category>_<endpoint>/kombo_repair.json`: what a repair that is under way moves, and to where.
    Repair(&'a EndpointName),
    /// `kombo_probe/<uuid>`: written and deleted by `check`.
    Probe(Uuid),
    /// `<table>/_delta_log`
    Log(&'a DeltaTable),
    /// `<table>/_delta_log/<version, 20 digits>.json`
    LogEntry(&'a DeltaTable, u64),
    /// `<table>/_delta_log/<version, 20 digits>.checkpoint.parquet`
    Checkpoint(&'a DeltaTable, u64),
    /// `<table>/_delta_log/_last_checkpoint`
    LastCheckpoint(&'a DeltaTable),
    /// `<table>/<partition>/part-<uuid>.zstd.parquet`
    Data(&'a DeltaTable, &'a DataFile),
    /// `<table>/<path>`: a file as a log entry names it, decoded.
    Listed(&'a DeltaTable, &'a str),
}

impl ObjectKey<'_> {
    /// Returns the key for the store.
    #[must_use]
    pub fn path(&self) -> Path {
        Path::from(self.to_string())
    }
}

impl fmt::Display for ObjectKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout => f.write_str("kombo_layout.json"),
            Self::Status => f.write_str("kombo_status.json"),
            Self::Repair(endpoint) => write!(f, "{}/kombo_repair.json", endpoint.table_name()),
            Self::Probe(id) => write!(f, "kombo_probe/{id}"),
            Self::Log(table) => write!(f, "{table}/_delta_log"),
            Self::LogEntry(table, version) => write!(f, "{table}/_delta_log/{version:020}.json"),
            Self::Checkpoint(table, version) => {
                write!(f, "{table}/_delta_log/{version:020}.checkpoint.parquet")
            }
            Self::LastCheckpoint(table) => write!(f, "{table}/_delta_log/_last_checkpoint"),
            Self::Data(table, file) => write!(f, "{table}/{}", file.path()),
            Self::Listed(table, path) => write!(f, "{table}/{path}"),
        }
    }
}

/// What `kombo_layout.json` holds. Later builds may add fields; only the version decides who may write.
#[derive(Debug, Serialize, Deserialize)]
struct LayoutDocument {
    layout_version: u64,
}

/// Creates the layout document, or checks the one that is there. Called before anything else is written.
pub async fn claim_layout(store: &LakeStore) -> Result<(), LayoutError> {
    let path = ObjectKey::Layout.path();
    let objects = store.objects();
    let document = LayoutDocument {
        layout_version: LAYOUT_VERSION,
    };
    let bytes = serde_json::to_vec(&document).expect("a document of one number is JSON");
    let put = match read_layout(store).await {
        Ok(Some(version)) => return check_version(version),
        Ok(None) => {
            let options = PutOptions::from(PutMode::Create);
            objects.put_opts(&path, bytes.into(), options).await
        }
        Err(error) => return Err(error),
    };
    let Err(fault) = put else {
        return prove_put_if_absent(store).await;
    };
    // Another process was first, or the answer was lost: what is there decides, whoever wrote it.
    match read_layout(store).await? {
        Some(version) => check_version(version),
        None => Err(LayoutError::Store {
            source: fault.into(),
        }),
    }
}

/// Checks the layout document that is there; `false` when there is none, and so no lake.
pub async fn find_layout(store: &LakeStore) -> Result<bool, LayoutError> {
    match read_layout(store).await? {
        Some(version) => check_version(version).map(|()| true),
        None => Ok(false),
    }
}

/// Puts the document once more: a store that takes it ignores put-if-absent, and every commit rests on that.
async fn prove_put_if_absent(store: &LakeStore) -> Result<(), LayoutError> {
    let (path, options) = (ObjectKey::Layout.path(), PutOptions::from(PutMode::Create));
    let document = LayoutDocument {
        layout_version: LAYOUT_VERSION,
    };
    let bytes = serde_json::to_vec(&document).expect("a document of one number is JSON");
    match store.objects().put_opts(&path, bytes.into(), options).await {
        Ok(_) => Err(LayoutError::NoPutIfAbsent),
        // Refused, as it should be; or unreachable, which the next call will meet again.
        Err(_) => Ok(()),
    }
}

fn check_version(found: u64) -> Result<(), LayoutError> {
    if found == LAYOUT_VERSION {
        return Ok(());
    }
    Err(LayoutError::Other {
        found,
        ours: LAYOUT_VERSION,
    })
}

async fn read_layout(store: &LakeStore) -> Result<Option<u64>, LayoutError> {
    let failed = |error: object_store::Error| LayoutError::Store {
        source: error.into(),
    };
    let bytes = match store.objects().get(&ObjectKey::Layout.path()).await {
        Ok(found) => found.bytes().await.map_err(failed)?,
        Err(error) if StoreFault::from(&error).reason() == FaultReason::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    match json::from_slice::<LayoutDocument>(&bytes) {
        // Versions start at 1.
        Ok(document) if document.layout_version > 0 => Ok(Some(document.layout_version)),
        _ => Err(LayoutError::Garbled),
    }
}

#[cfg(test)]
mod tests;
