//! One fetch: what is fetched, how the sink's coverage decides its mode, and how far a failure reaches. The service and
//! a backfill share this file.

use std::sync::Arc;

use super::slots::FetchSlot;
use crate::api::{ErrorReach, KomboApi};
use crate::catalog::Endpoint;
use crate::fetch::Lane;
use crate::ids::EnvironmentId;
use crate::ingest::{Done, Ingest, IngestError, Order, Watch, next_mode};
use crate::plan::{Announced, Kind, ModelOff, Standing, Work};
use crate::sink::{Coverage, Sink};
use crate::time::Moment;

/// A running fetch.
#[derive(Debug)]
pub(crate) struct Fetching {
    pub(crate) work: Work,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) started: Moment,
    /// The API key that the fetch uses.
    pub(super) key: KeyInUse,
    /// Whether a notification asked for the fetch.
    pub(super) announced: bool,
    /// When the notification came that the fetch answers. Shared with the table, so the value follows while the fetch
    /// runs.
    pub(super) notified_at: Announced,
}

/// Which API key of this process is in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyInUse {
    /// The environment of the key. `None` until Kombo has named it.
    pub(super) environment: Option<EnvironmentId>,
    /// Number of the key, counted from the start of this process. A reload with another key raises it.
    pub(super) number: u64,
}

/// How far the failure of a fetch reaches.
#[derive(Debug)]
pub(crate) enum FailedFetch {
    /// Every request with this API key would fail in the same way. Holds the message.
    Key(String),
    /// Every table of the integration would fail in the same way.
    Integration(Standing),
    /// The integration does not offer this table.
    Off(ModelOff),
    /// Only this fetch failed, and the next one may succeed. Holds the message.
    Once(String),
}

impl Fetching {
    /// Returns a fetch that no notification asked for, in a process that uses one key only.
    pub(crate) fn unannounced(work: Work, endpoint: Arc<Endpoint>, started: Moment) -> Self {
        Self {
            work,
            endpoint,
            started,
            key: KeyInUse::default(),
            announced: false,
            notified_at: Announced::default(),
        }
    }

    /// Returns whether this is a delta that no notification asked for.
    pub(super) fn is_heartbeat(&self) -> bool {
        self.work.lane == Lane::CatchUp && self.work.kind == Kind::Delta && !self.announced
    }

    /// Returns what the sink covers of the table.
    pub(crate) async fn covered<A, S>(&self, ingest: &Ingest<A, S>) -> Result<Coverage, IngestError>
    where
        A: KomboApi + 'static,
        S: Sink + Clone + 'static,
    {
        let covered = ingest.covered(&self.endpoint, &self.work.table.integration);
        covered.await.map_err(IngestError::unread)
    }

    /// Runs the fetch in the mode that the coverage allows. The slot is given back once everything is uploaded.
    pub(crate) async fn run<A, S>(
        &self,
        ingest: &Ingest<A, S>,
        coverage: Coverage,
        slot: Option<FetchSlot>,
        watch: &impl Watch,
    ) -> Result<Done, IngestError>
    where
        A: KomboApi + 'static,
        S: Sink + Clone + 'static,
    {
        let Self { work, endpoint, .. } = self;
        let order = Order {
            table: work.table.clone(),
            endpoint: Arc::clone(endpoint),
            mode: next_mode(&coverage, endpoint, self.started, work.kind),
            lane: work.lane,
            coverage,
            announced: self.notified_at.clone(),
        };
        ingest.run(order, slot, watch).await
    }
}

impl FailedFetch {
    /// Returns how far an error reaches.
    pub(crate) fn of(error: &IngestError) -> Self {
        let Some(said) = error.api() else {
            return Self::Once(error.message());
        };
        match (said.model_off(), said.standing()) {
            (Some(off), _) => Self::Off(off),
            (_, Some(standing)) => Self::Integration(standing),
            _ if said.reach() == ErrorReach::Key => Self::Key(error.message()),
            _ => Self::Once(error.message()),
        }
    }
}
