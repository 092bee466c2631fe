//! What a new snapshot lacks of what the lake knows.

use std::fmt;

use tokio::sync::mpsc;

use super::known::{Comparison, Keep, Known};
use super::staging::Sealed;
use super::{LakeError, SnapshotFacts};
use crate::time::ObservedAt;

/// Ids that the lake knows of, as present, and that a staged snapshot lacks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// As many of them as were asked for.
    pub ids: Vec<MissingId>,
    /// How many there are.
    pub total: u64,
    /// How many of those the snapshot before lacked, too.
    pub lacked_before: u64,
    /// The last `_fetched_at` in `deltas` when they were compared: whoever commits there later may bring one back.
    pub as_of: Option<ObservedAt>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq)]
pub struct MissingId {
    /// Kombo's id.
    pub id: String,
    /// When it was observed last.
    pub last_seen: ObservedAt,
    /// That was before the live snapshot began: two in a row lack it.
    pub lacked_before: bool,
}

impl fmt::Debug for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ids,
            total,
            lacked_before,
            ..
        } = self;
        let ids = ids.len();
        write!(f, "Missing({ids} of {total}, {lacked_before} twice)")
    }
}

impl fmt::Debug for MissingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MissingId({:?})", self.last_seen)
    }
}

impl Sealed {
    /// Returns the ids that the lake knows of and this snapshot lacks: `limit` of them, and how many there are. None for a
    /// delta.
    pub async fn missing(&self, limit: usize) -> Result<Missing, LakeError> {
        let missing = Missing::default();
        let Some(known) = self.known().await? else {
            return Ok(missing);
        };
        let keep = Keep::First { limit, missing };
        let mut comparison = self.compare(&known, keep).await?;
        for file in known.files() {
            comparison = comparison.read(&file).await?;
        }
        let missing = comparison.end().into_missing();
        Ok(Missing {
            as_of: known.deltas_seen,
            ..missing
        })
    }

    /// Sends those of these ids that the live snapshot lacks, too: those of one file at a time. Ends once nobody listens.
    pub async fn lacked_twice(&self, ids: mpsc::Sender<Vec<String>>) -> Result<(), LakeError> {
        let Some(known) = self.known().await? else {
            return Ok(());
        };
        let mut comparison = self.compare(&known, Keep::Twice(Vec::new())).await?;
        for file in known.files() {
            comparison = comparison.read(&file).await?;
            if ids.send(comparison.take_twice()).await.is_err() {
                return Ok(());
            }
        }
        // Nobody listens: nobody needs them.
        drop(ids.send(comparison.end().take_twice()).await);
        Ok(())
    }

    async fn compare(&self, known: &Known, keep: Keep) -> Result<Comparison, LakeError> {
        let since = known.facts.map(|SnapshotFacts { since, .. }| since);
        let mut comparison = Comparison::with(self.ids(), since, keep);
        for file in known.pending() {
            comparison = comparison.read_pending(known, file).await?;
        }
        Ok(comparison)
    }
}
