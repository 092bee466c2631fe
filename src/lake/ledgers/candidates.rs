//! The integrations that webhooks have named and that Kombo has not confirmed: a few small objects beside the tables.
//!
//! Candidates are no customers, so they are in no table that analysts read. A change with new candidates puts only these,
//! under a fresh name. Every sixteenth one, and a change without new candidates, puts the complete list and deletes the
//! names that held it before. No object is ever overwritten, so two processes lose nothing of each other. Each object is read
//! back: a store that confirms what it does not keep must not cost a customer.
//!
//! A crash between the two steps leaves old objects too, and the next start reads all: a candidate that is read twice costs
//! nothing, and one that is resolved already costs one question to Kombo.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tracing::debug;
use uuid::Uuid;

use crate::chance::fresh_uuid;
use crate::delta::fault::StoreFault;
use crate::ids::{Category, IntegrationId};
use crate::json;
use crate::lake::LakeError;
use crate::lake::layout::{CANDIDATES_FOLDER, DocumentKey};
use crate::lake::tables::Tables;
use crate::sink::Candidate;

/// The most objects of one process. One more change puts the complete list.
const OBJECTS: usize = 16;

/// The objects that hold the candidates of this process.
#[derive(Debug, Default)]
pub(in crate::lake) struct CandidateObjects(Mutex<HeldObjects>);

#[derive(Debug, Default)]
struct HeldObjects {
    names: Vec<Path>,
    /// The candidates that the objects hold for certain.
    ids: HashSet<IntegrationId>,
}

/// The content of one object.
#[derive(Serialize, Deserialize)]
struct CandidateDocument {
    candidates: Vec<StoredCandidate>,
}

#[derive(Serialize, Deserialize)]
struct StoredCandidate {
    integration: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    since_ms: i64,
}

impl CandidateObjects {
    /// Reads all objects, also those of other processes. Returns the candidates, and why an object could not be read. An
    /// object that cannot be read is never deleted. Creates nothing.
    pub(in crate::lake) async fn read(
        &self,
        tables: &Tables,
    ) -> Result<(Vec<Candidate>, Vec<LakeError>), LakeError> {
        let mut known: BTreeMap<IntegrationId, Candidate> = BTreeMap::new();
        let mut unread = Vec::new();
        let mut held = self.0.lock().await;
        for path in listed(tables).await? {
            let bytes = match tables.store.read_if_there(&path).await {
                // Another process has replaced the object meanwhile, and holds its candidates.
                Ok(None) => continue,
                Ok(Some(bytes)) => bytes,
                Err(source) => {
                    unread.push(failed(&path, source));
                    continue;
                }
            };
            let Ok(document) = json::from_slice::<CandidateDocument>(&bytes) else {
                let key = path.to_string();
                unread.push(LakeError::DamagedCandidates { key });
                continue;
            };
            let read = document.candidates.into_iter();
            for candidate in read.filter_map(StoredCandidate::into_candidate) {
                held.ids.insert(candidate.integration.clone());
                let first = known.entry(candidate.integration.clone());
                let first = first.or_insert_with(|| candidate.clone());
                first.since_ms = first.since_ms.min(candidate.since_ms);
            }
            if !held.names.contains(&path) {
                held.names.push(path);
            }
        }
        Ok((known.into_values().collect(), unread))
    }

    /// Makes the complete list durable: adds what is new, or replaces the objects that this process has read or put
    /// before.
    pub(in crate::lake) async fn keep(
        &self,
        tables: &Tables,
        candidates: &[Candidate],
    ) -> Result<(), LakeError> {
        let mut held = self.0.lock().await;
        let is_new = |one: &&Candidate| !held.ids.contains(&one.integration);
        let new: Vec<&Candidate> = candidates.iter().filter(is_new).collect();
        if !new.is_empty() && held.names.len() < OBJECTS {
            return held.put(tables, &new).await;
        }
        let before = held.names.clone();
        if !candidates.is_empty() {
            held.put(tables, &candidates.iter().collect::<Vec<_>>())
                .await?;
        }
        held.ids = (candidates.iter())
            .map(|one| one.integration.clone())
            .collect();
        // A crash from here on leaves old names, which the next start reads and deletes.
        for path in before {
            match tables.store.delete(&path).await {
                Ok(()) => held.names.retain(|name| *name != path),
                Err(error) => {
                    debug!(%path, %error, "a replaced list of candidates was not deleted; a later change deletes it");
                }
            }
        }
        Ok(())
    }
}

impl HeldObjects {
    /// Puts candidates under a fresh name.
    async fn put(&mut self, tables: &Tables, candidates: &[&Candidate]) -> Result<(), LakeError> {
        let path = DocumentKey::Candidates(fresh_uuid()).path();
        // Remembered before the put, because the put may have happened although its answer is an error.
        self.names.push(path.clone());
        let stored = candidates.iter().map(|one| StoredCandidate::from(*one));
        let document = CandidateDocument {
            candidates: stored.collect(),
        };
        let bytes = serde_json::to_vec(&document).expect("texts and numbers are JSON");
        let bytes = Bytes::from(bytes);
        let put = tables.store.create(&path, bytes.clone()).await;
        put.map_err(|source| failed(&path, source))?;
        // A webhook is acknowledged after this, so the answer of the store is not enough.
        let stored = tables.store.read_if_there(&path).await;
        if stored.map_err(|source| failed(&path, source))? != Some(bytes) {
            return Err(failed(&path, StoreFault::lost()));
        }
        let ids = candidates.iter().map(|one| one.integration.clone());
        self.ids.extend(ids);
        Ok(())
    }
}

/// Returns the objects of the folder whose names have the form of ours.
async fn listed(tables: &Tables) -> Result<Vec<Path>, LakeError> {
    let folder = Path::from(CANDIDATES_FOLDER);
    let found = tables.store.objects().list(Some(&folder));
    let found = found.map_ok(|object| object.location);
    let mut found: Vec<Path> = (found.try_collect().await)
        .map_err(|error: object_store::Error| failed(&folder, error.into()))?;
    found.retain(|path| {
        let id = path.filename().and_then(|name| name.strip_suffix(".json"));
        let id = id.and_then(|id| Uuid::try_parse(id).ok());
        id.is_some_and(|id| DocumentKey::Candidates(id).path() == *path)
    });
    Ok(found)
}

fn failed(path: &Path, source: StoreFault) -> LakeError {
    LakeError::Candidates {
        key: path.to_string(),
        source,
    }
}

impl StoredCandidate {
    /// Returns `None` for an id that this build does not accept.
    fn into_candidate(self) -> Option<Candidate> {
        Some(Candidate {
            integration: IntegrationId::new(&self.integration).ok()?,
            category: self.category.as_deref().and_then(Category::from_name),
            since_ms: self.since_ms,
        })
    }
}

impl From<&Candidate> for StoredCandidate {
    fn from(candidate: &Candidate) -> Self {
        Self {
            integration: candidate.integration.to_string(),
            category: candidate.category.map(|known| known.as_str().to_owned()),
            since_ms: candidate.since_ms,
        }
    }
}

#[cfg(test)]
mod tests;
