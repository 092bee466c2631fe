//! What the lake knows of one integration's rows of an endpoint: the newest observation of each row, wherever it is.
//!
//! `current` knows every row that was not seen to be removed. `current` lacks a live snapshot and deltas that are not
//! folded yet. So a row is looked up in the unfolded live snapshot first, then in `current`, and in the unfolded
//! deltas. Files are read one at a time. Memory holds the ids of the unfolded deltas, and 8 bytes for each row of an
//! unfolded live snapshot.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::delta::log::{LiveFile, LogState};
use crate::ids::IntegrationKey;
use crate::lake::layout::may_hold;
use crate::lake::positions::Positions;
use crate::lake::table_txns::TableTxns;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, Part, SnapshotHistory};
use crate::time::ObservedAt;

/// The sources of what the lake knows of one integration.
pub(in crate::lake) struct KnownSources {
    /// The history of the live snapshot.
    pub(in crate::lake) history: Option<SnapshotHistory>,
    /// The last `_fetched_at` in `deltas`.
    pub(in crate::lake) deltas_seen: Option<ObservedAt>,
    /// The live snapshot, or `current`, or both in this order. For a row in both, the first has the newer
    /// observation.
    pub(in crate::lake) sources: Vec<KnownSource>,
    pub(in crate::lake) deltas: OpenTable,
    /// The files of `deltas` that may hold newer observations.
    pub(in crate::lake) pending: Vec<Arc<LiveFile>>,
    /// Observations of `deltas` up to this instant are in a source.
    pub(in crate::lake) position: Option<ObservedAt>,
    /// When the last snapshot began from which `current` kept rows as they were. The last such snapshot saw the rows,
    /// although their `_fetched_at` in `current` is older.
    pub(in crate::lake) kept: Option<ObservedAt>,
}

/// The files of the live snapshot, or of `current`, that have rows of the integration. Files of `current` may have rows
/// of other integrations, too.
pub(in crate::lake) struct KnownSource {
    pub(in crate::lake) table: OpenTable,
    pub(in crate::lake) files: Vec<Arc<LiveFile>>,
    /// Whether readers of `current` and `deltas` see these rows. Readers do not see a snapshot that is not folded
    /// yet.
    pub(in crate::lake) is_shown: bool,
}

/// `current` as a source, and its fold positions.
struct FoldedSource {
    source: KnownSource,
    positions: Positions,
}

impl KnownSources {
    /// Finds the sources of an integration as of now.
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
                    // `None` is the lowest value: then all deltas count.
                    (vec![live, source], since.min(position))
                }
            }
        };
        // `deltas` is read after `current`, so that no observation is missed in between.
        let deltas = tables.of_endpoint(endpoint, Part::Deltas).await?;
        let state = deltas.refreshed().await?;
        let deltas_seen = TableTxns::of(key, |app| state.txn(app)).seen;
        let mut pending = Vec::new();
        if deltas_seen > position {
            pending = deltas.live_of(&state, key.as_str()).await?;
            pending.retain(|file| file.may_hold(key.as_str(), position));
        }
        Ok(Self {
            history,
            deltas_seen,
            sources,
            deltas,
            pending,
            position,
            kept,
        })
    }

    /// Returns the files of the sources, in the order in which they have to be read.
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
        let mut files = table.live_of(state, key.as_str()).await?;
        files.retain(|file| may_hold(file, key.as_str()));
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

/// Returns whether the snapshot with the last observation `seen` is folded. Once that snapshot is replaced, only
/// `current` remembers when the snapshot saw a row.
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

/// Returns the last instant before `at`.
fn before(at: ObservedAt) -> ObservedAt {
    ObservedAt::from_micros(at.as_micros().saturating_sub(1))
}
