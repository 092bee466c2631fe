//! One fetch: what runs, how it is run over what the sink covers, and how far a failure of it reaches. The same for the
//! service and for a backfill.

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

/// A fetch that runs.
#[derive(Debug)]
pub(crate) struct Fetching {
    pub(crate) work: Work,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) started: Moment,
    /// The key that it runs with.
    pub(super) key: KeyInUse,
    /// A notification asked for it.
    pub(super) announced: bool,
    /// As the table has it at any time, while it runs, too.
    pub(super) notified_at: Announced,
}

/// Which key of this process is in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyInUse {
    /// The environment that it belongs to, where that is known.
    pub(super) environment: Option<EnvironmentId>,
    /// Counts the keys of this process.
    pub(super) number: u64,
}

/// How far the failure of a fetch reaches.
#[derive(Debug)]
pub(crate) enum FailedFetch {
    /// Every request with this key would fail, as this one says.
    Key(String),
    /// Every table of the integration would.
    Integration(Standing),
    /// The integration does not offer this table.
    Off(ModelOff),
    /// This fetch; the next one may succeed.
    Once(String),
}

impl Fetching {
    /// Makes a fetch that no notification asked for, in a process with one key.
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

    /// Returns whether nothing announced it.
    pub(super) fn is_heartbeat(&self) -> bool {
        self.work.lane == Lane::CatchUp && self.work.kind == Kind::Delta && !self.announced
    }

    /// Asks the sink what it covers of the table.
    pub(crate) async fn covered<A, S>(&self, ingest: &Ingest<A, S>) -> Result<Coverage, IngestError>
    where
        A: KomboApi + 'static,
        S: Sink + Clone + 'static,
    {
        let covered = ingest.covered(&self.endpoint, &self.work.table.integration);
        covered.await.map_err(IngestError::unread)
    }

    /// Fetches what that coverage allows. The slot goes back once all is uploaded.
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
    /// Works out how far an error reaches.
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
