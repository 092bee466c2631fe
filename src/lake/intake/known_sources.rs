//! What the lake knows of one integration's rows of an endpoint: the newest observation of each, wherever it is.
//!
//! `current` knows every row that was not seen to be removed. It knows less than the live snapshot until that is folded,
//! and less than `deltas` until those are. So a row is looked up in a live snapshot that is not folded yet, else in
//! `current`, and in what came to `deltas` since. Files are read one at a time; in memory are the ids of those deltas, and
//! 8 bytes for a row of a live snapshot that is not folded yet.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::delta::log::{LiveFile, LogState};
use crate::ids::IntegrationKey;
use crate::lake::layout::key_of_file;
use crate::lake::positions::Positions;
use crate::lake::table_txns::TableTxns;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, Part, SnapshotHistory};
use crate::time::ObservedAt;

/// Where the lake keeps what it knows of one integration.
pub(in crate::lake) struct KnownSources {
    pub(in crate::lake) key: IntegrationKey,
    /// Of the live snapshot.
    pub(in crate::lake) history: Option<SnapshotHistory>,
    /// The last `_fetched_at` in `deltas`.
    pub(in crate::lake) deltas_seen: Option<ObservedAt>,
    /// The live snapshot, `current`, or one after the other: what the first says of a row is newer.
    pub(in crate::lake) sources: Vec<KnownSource>,
    pub(in crate::lake) deltas: OpenTable,
    /// The files of `deltas` that may say something newer.
    pub(in crate::lake) pending: Vec<Arc<LiveFile>>,
    /// Observations up to this one are in a source.
    pub(in crate::lake) position: Option<ObservedAt>,
    /// When the last snapshot began of which `current` kept rows as they were. It has seen them, and their `_fetched_at` in
    /// `current` does not say so.
    pub(in crate::lake) kept: Option<ObservedAt>,
}

/// The live snapshot, or `current`, as far as it has the integration.
pub(in crate::lake) struct KnownSource {
    pub(in crate::lake) table: OpenTable,
    pub(in crate::lake) files: Vec<Arc<LiveFile>>,
    /// Readers of `current` and `deltas` see what it has. They do not see a snapshot that `current` does not have yet.
    pub(in crate::lake) is_shown: bool,
}

/// `current`, as far as it has the integration.
struct FoldedSource {
    source: KnownSource,
    positions: Positions,
}

impl KnownSources {
    /// Finds what there is now.
    pub(in crate::lake) async fn of(
        tables: &Tables,
        endpoint: &Arc<Endpoint>,
        key: &IntegrationKey,
    ) -> Result<Self, LakeError> {
        let snapshots = tables.of_endpoint(endpoint, Part::Snapshots).await?;
        let state = snapshots.refreshed().await?;
        let history = SnapshotHistory::of(key, |app| state.txn(app));
        let seen = TableTxns::of(key, |app| state.txn(app)).seen;
        let mut live = KnownSource::of(&snapshots, &state, key).await?;
        let since = history.map(|history| before(history.since));
        let mut kept = None;
        let (sources, position) = match folded(tables, endpoint, key).await? {
            None => (vec![live], since),
            Some(FoldedSource { source, positions }) => {
                let position = positions.folded_us.map(ObservedAt::from_micros);
                kept = positions.kept_us.map(ObservedAt::from_micros);
                if positions.has_all_of(seen) {
                    (vec![source], position)
                } else {
                    live.is_shown = false;
                    // `None` is the lowest: then all of them count.
                    (vec![live, source], since.min(position))
                }
            }
        };
        // After `current`, so that nothing falls between the two.
        let deltas = tables.of_endpoint(endpoint, Part::Deltas).await?;
        let state = deltas.refreshed().await?;
        let deltas_seen = TableTxns::of(key, |app| state.txn(app)).seen;
        let mut pending = Vec::new();
        if deltas_seen > position {
            pending = deltas.live(&state).await?;
            pending.retain(|file| file.may_hold(key.as_str(), position));
        }
        Ok(Self {
            key: key.clone(),
            history,
            deltas_seen,
            sources,
            deltas,
            pending,
            position,
            kept,
        })
    }

    /// Returns the files that say what is known, in the order in which they have to be read.
    pub(in crate::lake) fn files(&self) -> impl Iterator<Item = (&KnownSource, &Arc<LiveFile>)> {
        let sources = self.sources.iter();
        sources.flat_map(|source| source.files.iter().map(move |file| (source, file)))
    }
}

impl KnownSource {
    async fn of(
        table: &OpenTable,
        state: &LogState,
        key: &IntegrationKey,
    ) -> Result<Self, LakeError> {
        let mut files = table.live(state).await?;
        files.retain(|file| key_of_file(file) == Some(key.as_str()));
        Ok(Self {
            table: table.clone(),
            files,
            is_shown: true,
        })
    }
}

async fn folded(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
    key: &IntegrationKey,
) -> Result<Option<FoldedSource>, LakeError> {
    let Some(table) = tables.existing(endpoint, Part::Current).await? else {
        return Ok(None);
    };
    let state = table.refreshed().await?;
    let positions = Positions::of(key, &state);
    if positions.snapshot_us.is_none() {
        return Ok(None);
    }
    Ok(Some(FoldedSource {
        source: KnownSource::of(&table, &state, key).await?,
        positions,
    }))
}

/// Returns whether a snapshot whose last observation was `seen` is folded: once it is replaced, only `current` remembers
/// when it saw a row.
pub(in crate::lake) async fn is_taken_over(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
    key: &IntegrationKey,
    seen: Option<ObservedAt>,
) -> Result<bool, LakeError> {
    let Some(table) = tables.existing(endpoint, Part::Current).await? else {
        return Ok(false);
    };
    let state = table.refreshed().await?;
    Ok(Positions::of(key, &state).has_folded(seen))
}

/// Returns the last instant before one.
fn before(at: ObservedAt) -> ObservedAt {
    ObservedAt::from_micros(at.as_micros().saturating_sub(1))
}
