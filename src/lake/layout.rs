//! Every key of the lake, and the document that states the layout version.
//!
//! No other module builds a key. An integration id gets into a key only as an [`IntegrationKey`], so no webhook
//! content can lead out of the lake's folder.

use std::collections::BTreeSet;
use std::fmt;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::delta::fault::StoreFault;
use crate::delta::log::LiveFile;
use crate::delta::object_key::{Partition, TablePath};
use crate::delta::store::TableStore;
use crate::ids::{EndpointName, InstanceId, IntegrationKey};
use crate::json;
use crate::time::{Moment, format_date, parse_date};

/// The layout version that this build writes. This build reads no other version.
pub const LAYOUT_VERSION: u64 = 3;

/// A Delta table of the lake.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LakeTable {
    /// `kombo_integrations`: the integrations that the lake has rows of.
    Integrations,
    /// `kombo_coverage`: which models and fields of an integration can be read.
    Coverage,
    /// `kombo_issues`: what webhooks say is wrong with the connections to customers.
    Issues,
    /// `kombo_drift`: rows that differed at a full fetch.
    Drift,
    /// `kombo_quarantine`: rows without a usable id.
    Quarantine,
    /// `kombo_holds`: changes that the guard holds back.
    Holds,
    /// `<category>_<endpoint>/snapshots`: one live snapshot per integration.
    Snapshots(EndpointName),
    /// `<category>_<endpoint>/deltas`: the changes, append-only.
    Deltas(EndpointName),
    /// `<category>_<endpoint>/current`: one current row per record, folded from `snapshots` and `deltas`.
    Current(EndpointName),
}

impl LakeTable {
    /// Returns the table's path below the lake's root.
    #[must_use]
    pub fn path(&self) -> TablePath {
        TablePath::new(&self.folder())
    }

    fn folder(&self) -> String {
        match self {
            Self::Integrations => "kombo_integrations".to_owned(),
            Self::Coverage => "kombo_coverage".to_owned(),
            Self::Issues => "kombo_issues".to_owned(),
            Self::Drift => "kombo_drift".to_owned(),
            Self::Quarantine => "kombo_quarantine".to_owned(),
            Self::Holds => "kombo_holds".to_owned(),
            Self::Snapshots(endpoint) => format!("{}/snapshots", endpoint.table_name()),
            Self::Deltas(endpoint) => format!("{}/deltas", endpoint.table_name()),
            Self::Current(endpoint) => format!("{}/current", endpoint.table_name()),
        }
    }
}

impl fmt::Display for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.folder())
    }
}

/// Returns the paths of `snapshots`, `deltas` and `current` in a folder of the lake.
#[must_use]
pub fn parts_in(folder: &str) -> [TablePath; 3] {
    ["snapshots", "deltas", "current"].map(|part| TablePath::new(&format!("{folder}/{part}")))
}

/// The partition column of `snapshots`. In `current` it is the first column that files are sorted by.
pub const INTEGRATION_KEY: &str = "integration_key";

/// The partition column of `deltas` and `kombo_drift`.
pub const COMMIT_DATE: &str = "commit_date";

/// Returns the partition of an integration: `integration_key=<key>`.
#[must_use]
pub fn of_integration(key: &IntegrationKey) -> Partition {
    Partition::Of(INTEGRATION_KEY.into(), key.to_string())
}

/// Returns the key of the only integration that a data file has rows of, from its partition or its bounds. `None` when
/// the file has rows of several integrations, or when that is not known.
#[must_use]
pub fn key_of_file(file: &LiveFile) -> Option<&str> {
    if let Some(key) = file.partition_values.get(INTEGRATION_KEY) {
        return key.as_deref();
    }
    let (least, most) = file.bounds.keys.as_ref()?;
    (least == most).then_some(least.as_str())
}

/// The tag of a data file that names the integrations that the file has rows of: the last [`KEY_DIGITS`] characters of
/// each key, ascending. Without the tag, the bounds of a file with rows of many integrations admit almost every key.
const KEYS_TAG: &str = "kombo.integrations";

/// Characters of a key in [`KEYS_TAG`]: 24 bits of the key's digest. One in some ten thousand answers says wrongly that
/// a file of a thousand integrations may have rows of another one.
const KEY_DIGITS: usize = 6;

/// Returns the tag that names the integrations of a data file, and its value.
#[must_use]
pub fn keys_tag<'a>(keys: impl IntoIterator<Item = &'a str>) -> (String, String) {
    let mut digits: Vec<&str> = keys.into_iter().map(digits_of).collect();
    digits.sort_unstable();
    digits.dedup();
    (KEYS_TAG.to_owned(), digits.concat())
}

/// Returns whether a data file may have rows of an integration, by its partition, its bounds and its tag.
#[must_use]
pub fn may_hold(file: &LiveFile, key: &str) -> bool {
    if let Some(only) = key_of_file(file) {
        return only == key;
    }
    file.may_hold(key, None) && file.tag(KEYS_TAG).is_none_or(|tag| names(tag, key))
}

/// Returns whether all integrations that a data file has rows of are known to be among `keys`.
#[must_use]
pub fn holds_only(file: &LiveFile, keys: &BTreeSet<&str>) -> bool {
    if let Some(only) = key_of_file(file) {
        return keys.contains(only);
    }
    let known: BTreeSet<&[u8]> = keys.iter().map(|key| digits_of(key).as_bytes()).collect();
    file.tag(KEYS_TAG).is_some_and(|tag| {
        let mut digits = tag.as_bytes().chunks(KEY_DIGITS);
        digits.all(|digits| known.contains(digits))
    })
}

fn names(tag: &str, key: &str) -> bool {
    let mut digits = tag.as_bytes().chunks(KEY_DIGITS);
    digits.any(|digits| digits == digits_of(key).as_bytes())
}

fn digits_of(key: &str) -> &str {
    let first = key.len().saturating_sub(KEY_DIGITS);
    key.get(first..).unwrap_or(key)
}

/// Returns the partition of a day: `commit_date=YYYY-MM-DD`. `days` counts from the epoch, in UTC.
#[must_use]
pub fn of_day(days: i32) -> Partition {
    Partition::Of(COMMIT_DATE.into(), format_date(days))
}

/// Returns the day of a file from its partition, in days since the epoch, UTC. `None` when the partition has no day.
#[must_use]
pub fn day_of(file: &LiveFile) -> Option<i32> {
    parse_date(file.partition_value(COMMIT_DATE)?)
}

/// The keys below the lake's root that do not belong to a Delta table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKey<'a> {
    /// `kombo_layout.json`
    Layout,
    /// `kombo_status/<instance>.json`: the notes of a running service.
    Status(&'a InstanceId),
    /// `kombo_candidates/<uuid>.json`: integrations that webhooks have named and that Kombo has not confirmed.
    Candidates(Uuid),
    /// `kombo_lease/<epoch, 20 digits>/<number, 20 digits>.json`: the claim (0) and the renewals of the lease of a service.
    Lease(u64, u64),
    /// `kombo_lease/<epoch, 20 digits>/released.json`: the holder of the lease has given it back.
    LeaseReleased(u64),
    /// `<category>_<endpoint>/kombo_repair.json`: which instants a repair under way moves, and to where.
    Repair(&'a EndpointName),
}

/// The folder of [`DocumentKey::Candidates`].
pub const CANDIDATES_FOLDER: &str = "kombo_candidates";

/// The folder of [`DocumentKey::Status`].
pub const STATUS_FOLDER: &str = "kombo_status";

/// The folder of [`DocumentKey::Lease`].
pub const LEASE_FOLDER: &str = "kombo_lease";

/// The folder for copies of what a repair replaces or deletes. Upkeep deletes the copies after its grace.
pub const REPAIR_FOLDER: &str = "kombo_repair";

/// The folder in which `check` tries the store.
pub const PROBE_FOLDER: &str = "kombo_probe";

impl DocumentKey<'_> {
    /// Returns the folder for copies of what a repair replaces or deletes: `kombo_repair/<time of the repair>`. Below it
    /// each copy has the key that the object had.
    #[must_use]
    pub fn aside(now: Moment) -> String {
        format!("{REPAIR_FOLDER}/{}", now.to_string().replace(':', "-"))
    }

    /// Returns the folder of an epoch of the lease.
    #[must_use]
    pub fn lease_epoch(epoch: u64) -> String {
        format!("{LEASE_FOLDER}/{epoch:020}")
    }

    /// Returns the key for the store.
    #[must_use]
    pub fn path(&self) -> Path {
        Path::from(self.to_string())
    }
}

impl fmt::Display for DocumentKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout => f.write_str("kombo_layout.json"),
            Self::Status(instance) => write!(f, "{STATUS_FOLDER}/{instance}.json"),
            Self::Candidates(id) => write!(f, "{CANDIDATES_FOLDER}/{id}.json"),
            Self::Lease(epoch, number) => {
                write!(f, "{}/{number:020}.json", Self::lease_epoch(*epoch))
            }
            Self::LeaseReleased(epoch) => write!(f, "{}/released.json", Self::lease_epoch(*epoch)),
            Self::Repair(endpoint) => write!(f, "{}/kombo_repair.json", endpoint.table_name()),
        }
    }
}

/// The content of `kombo_layout.json`. Later builds may add fields. Only the version decides which build may write.
#[derive(Debug, Serialize, Deserialize)]
struct LayoutDocument {
    layout_version: u64,
}

/// Why a build may not write to a lake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A build with another layout version made this lake.
    #[error(
        "the lake has layout version {found} and this build reads and writes version {ours} only"
    )]
    Other {
        /// The version of the lake.
        found: u64,
        /// The version of this build.
        ours: u64,
    },
    /// The document exists, but is not a layout document.
    #[error(
        "kombo_layout.json is not a layout document: this is not a lake of kombo-source, or the file is damaged"
    )]
    Garbled,
    /// The document is gone. Tables of a lake are there.
    #[error("kombo_layout.json is missing, but {folder}/ is there: the file is lost")]
    Lost {
        /// A folder that only a lake has.
        folder: String,
    },
    /// The store accepted a put-if-absent although the object existed.
    #[error(
        "the store overwrites existing objects where it should refuse: two writers would lose each other's commits"
    )]
    NoPutIfAbsent,
    /// The document can be neither read nor created.
    #[error("kombo_layout.json cannot be read or created")]
    Store {
        /// Why.
        #[source]
        source: StoreFault,
    },
}

/// Creates the layout document, or checks the existing one. Called before anything else is written. Refuses a store
/// that overwrites where it should not, each time: a lake may have been copied to such a store. Returns whether this call
/// began the lake.
pub async fn claim_layout(store: &TableStore) -> Result<bool, LayoutError> {
    if let Some(version) = read_layout(store).await? {
        check_version(version)?;
        return refuses_overwriting(store).await.map(|()| false);
    }
    let Err(source) = put_layout(store).await else {
        let refuses = refuses_overwriting(store).await;
        if refuses.is_err() {
            // Nothing else was written, so the refused store stays as it was. If the deletion fails, the next start
            // refuses the store again.
            drop(store.delete(&DocumentKey::Layout.path()).await);
        }
        return refuses.map(|()| true);
    };
    // Another process created the document first, or the answer was lost. The stored document decides, whoever wrote
    // it.
    match read_layout(store).await? {
        Some(version) => check_version(version).map(|()| false),
        None => Err(LayoutError::Store { source }),
    }
}

/// Puts the layout document once more, where one exists. A store that accepts it ignores put-if-absent, on which every
/// commit relies; the document then has the same content as before.
pub async fn refuses_overwriting(store: &TableStore) -> Result<(), LayoutError> {
    match put_layout(store).await {
        Ok(()) => Err(LayoutError::NoPutIfAbsent),
        // The store refused the put, as it should. If the store was unreachable instead, the next call reports that.
        Err(_) => Ok(()),
    }
}

/// Checks the existing layout document. Returns `false` when there is none, and so no lake.
pub async fn find_layout(store: &TableStore) -> Result<bool, LayoutError> {
    match read_layout(store).await? {
        Some(version) => check_version(version).map(|()| true),
        None => Ok(false),
    }
}

/// Puts the layout document if none exists.
async fn put_layout(store: &TableStore) -> Result<(), StoreFault> {
    let document = LayoutDocument {
        layout_version: LAYOUT_VERSION,
    };
    let bytes = serde_json::to_vec(&document).expect("a document of one number is JSON");
    store
        .create(&DocumentKey::Layout.path(), bytes.into())
        .await
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

/// Reads the layout version of the lake. `None` when there is no lake.
async fn read_layout(store: &TableStore) -> Result<Option<u64>, LayoutError> {
    if let Some(version) = stored_layout(store).await? {
        return Ok(Some(version));
    }
    let folders = store.folders().await;
    let folders = folders.map_err(|source| LayoutError::Store { source })?;
    let is_of_lake = |name: &&String| name.starts_with("kombo_") && *name != PROBE_FOLDER;
    let Some(folder) = folders.iter().filter(is_of_lake).min().cloned() else {
        return Ok(None);
    };
    // Another process may have begun the lake between the two requests. Its document came before its folders.
    match stored_layout(store).await? {
        Some(version) => Ok(Some(version)),
        None => Err(LayoutError::Lost { folder }),
    }
}

async fn stored_layout(store: &TableStore) -> Result<Option<u64>, LayoutError> {
    let read = store.read_if_there(&DocumentKey::Layout.path()).await;
    let read = read.map_err(|source| LayoutError::Store { source })?;
    let Some(bytes) = read else {
        return Ok(None);
    };
    match json::from_slice::<LayoutDocument>(&bytes) {
        // Versions start at 1.
        Ok(document) if document.layout_version > 0 => Ok(Some(document.layout_version)),
        _ => Err(LayoutError::Garbled),
    }
}

#[cfg(test)]
mod tests;
