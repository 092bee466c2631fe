//! The lease of the service that may send requests to Kombo: a few small objects beside the tables.
//!
//! [`plan`](crate::plan::Tenure) holds the rules, and this file reads and writes. Each object is put only where none exists,
//! under a name of its own, and is never changed. Whatever the put answered, the object is read back, because an answer may
//! be lost, and a store may confirm what it does not keep.
//!
//! The holder keeps the claim of its epoch and its latest two renewals, so that a listing beside a put and a delete still
//! shows one of them. It deletes the epochs before its own. A crash between a put and a delete leaves old objects, which the
//! next holder deletes. Nobody decides by an object that is not the latest.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::chance::fresh_uuid;
use crate::delta::fault::StoreFault;
use crate::delta::store::TableStore;
use crate::json;
use crate::lake::LakeError;
use crate::lake::layout::{DocumentKey, LEASE_FOLDER};
use crate::plan::{LeaseTerms, Renewal};

/// How often a listing is repeated when its latest object is gone before it is read.
const LISTINGS: usize = 3;

/// Who holds a lease, as its objects say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseHolder {
    /// A random id of the process.
    pub instance: String,
    /// The name of its machine, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Names a lock that the process holds until its end. A process that has got this lock knows that the holder has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    takeover_ms: u64,
}

/// The lease as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLease {
    /// The latest object.
    pub renewal: Renewal,
    /// Who put it. `None` when the object is damaged.
    pub holder: Option<LeaseHolder>,
    /// Whether the holder has given the lease back.
    pub is_released: bool,
}

/// The objects of the lease of one lake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LeaseObjects(TableStore);

impl LeaseHolder {
    /// Describes this process under a fresh id.
    #[must_use]
    pub fn new(host: Option<String>, lock: Option<String>, terms: LeaseTerms) -> Self {
        Self {
            instance: fresh_uuid().to_string(),
            host,
            lock,
            takeover_ms: u64::try_from(terms.takeover().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Returns the takeover time by which the holder keeps.
    #[must_use]
    pub fn terms(&self) -> LeaseTerms {
        LeaseTerms::new(Duration::from_millis(self.takeover_ms))
    }
}

impl fmt::Display for LeaseHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("an unnamed machine");
        write!(f, "{} on {host}", self.instance)
    }
}

impl LeaseObjects {
    pub(in crate::lake) fn of(store: &TableStore) -> Self {
        Self(store.clone())
    }

    /// Returns the latest object of the lease. `None` when nobody has ever had it. Writes nothing.
    pub async fn latest(&self) -> Result<Option<StoredLease>, LakeError> {
        for _ in 0..LISTINGS {
            let (renewals, released) = self.list().await?;
            let Some(renewal) = renewals.into_iter().max() else {
                return Ok(None);
            };
            let read = self.0.read_if_there(&key(renewal)).await;
            // The holder may have renewed again, and may have deleted this object.
            if let Some(bytes) = read.map_err(failed)? {
                return Ok(Some(StoredLease {
                    renewal,
                    holder: json::from_slice(&bytes).ok(),
                    is_released: released.contains(&renewal.epoch),
                }));
            }
        }
        Err(failed(StoreFault::lost()))
    }

    /// Puts an object of the lease if none has its name. Returns whether the object on the store is this one.
    pub async fn put(&self, renewal: Renewal, holder: &LeaseHolder) -> Result<bool, LakeError> {
        self.put_at(&key(renewal), holder).await
    }

    /// Says that the holder of an epoch sends no more.
    pub async fn release(&self, epoch: u64, holder: &LeaseHolder) -> Result<(), LakeError> {
        let key = DocumentKey::LeaseReleased(epoch).path();
        self.put_at(&key, holder).await.map(drop)
    }

    /// Returns whether the next epoch is claimed.
    pub async fn is_overtaken(&self, epoch: u64) -> Result<bool, LakeError> {
        let next = key(Renewal::claim(epoch.saturating_add(1)));
        let found = self.0.read_if_there(&next).await;
        Ok(found.map_err(failed)?.is_some())
    }

    /// Deletes an object that is no longer needed. Returns whether it is gone.
    pub async fn delete(&self, renewal: Renewal) -> bool {
        let deleted = self.0.delete(&key(renewal)).await;
        if let Err(error) = &deleted {
            debug!(%error, "an old object of the lease was not deleted; a later holder deletes it");
        }
        deleted.is_ok()
    }

    /// Deletes all objects of the epochs before this one, as far as the store lets it.
    pub async fn delete_before(&self, epoch: u64) {
        let Ok((renewals, released)) = self.list().await else {
            return;
        };
        let old = renewals.into_iter().filter(|one| one.epoch < epoch);
        let old: Vec<_> = old.collect();
        for renewal in &old {
            self.delete(*renewal).await;
        }
        let old = old.into_iter().map(|one| one.epoch).chain(released);
        for old in old.filter(|one| *one < epoch) {
            drop(self.0.delete(&DocumentKey::LeaseReleased(old).path()).await);
            self.0.remove_empty(&DocumentKey::lease_epoch(old));
        }
    }

    async fn put_at(&self, key: &Path, holder: &LeaseHolder) -> Result<bool, LakeError> {
        let bytes = serde_json::to_vec(holder).expect("texts and numbers are JSON");
        let bytes = Bytes::from(bytes);
        let created = self.0.create(key, bytes.clone()).await;
        let found = self.0.read_if_there(key).await.map_err(failed)?;
        match found {
            Some(found) => Ok(found == bytes),
            None => Err(failed(created.err().unwrap_or(StoreFault::lost()))),
        }
    }

    /// Returns the renewals and the released epochs of the folder.
    async fn list(&self) -> Result<(Vec<Renewal>, Vec<u64>), LakeError> {
        let folder = Path::from(LEASE_FOLDER);
        let found = self.0.objects().list(Some(&folder));
        let found = found.map_ok(|object| object.location);
        let found: Vec<Path> = (found.try_collect().await)
            .map_err(|error: object_store::Error| failed(error.into()))?;
        let (mut renewals, mut released) = (Vec::new(), Vec::new());
        for path in found {
            match read_key(&path) {
                Some((epoch, Some(number))) => renewals.push(Renewal { epoch, number }),
                Some((epoch, None)) => released.push(epoch),
                None => {}
            }
        }
        Ok((renewals, released))
    }
}

fn key(renewal: Renewal) -> Path {
    DocumentKey::Lease(renewal.epoch, renewal.number).path()
}

/// Returns the epoch and the number in a key, no number for the marker of a release. `None` for a key that is not ours.
fn read_key(path: &Path) -> Option<(u64, Option<u64>)> {
    let mut parts = path.as_ref().rsplit('/');
    let name = parts.next()?.strip_suffix(".json")?;
    let epoch = parts.next()?.parse().ok()?;
    let number: Option<u64> = name.parse().ok();
    let ours = match number {
        Some(number) => DocumentKey::Lease(epoch, number),
        None => DocumentKey::LeaseReleased(epoch),
    };
    (ours.path() == *path).then_some((epoch, number))
}

fn failed(source: StoreFault) -> LakeError {
    LakeError::Lease { source }
}

#[cfg(test)]
mod tests;
