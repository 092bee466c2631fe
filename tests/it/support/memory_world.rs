//! A twin in the same process, its tables, and the parts that an in-memory backfill needs.

use std::sync::Arc;

use kombo_source::api::KomboApi;
use kombo_source::backfill::targets::{Target, resolve};
use kombo_source::catalog::Catalog;
use kombo_source::company::{Oddities, World, WorldSettings};
use kombo_source::ids::IntegrationId;
use kombo_source::ingest::{FetchStep, Watch};
use kombo_source::twin::TwinApi;

/// Makes a small world with every peculiarity that the API may show.
pub(crate) fn odd_world(rows: u64) -> TwinApi {
    let settings = WorldSettings {
        integrations: 4,
        rows,
        oddities: Oddities::ALL,
        ..WorldSettings::default()
    };
    TwinApi::new(World::new(settings))
}

/// Returns the ids of a world's integrations.
pub(crate) fn ids(api: &TwinApi) -> Vec<IntegrationId> {
    api.world()
        .lock()
        .integrations()
        .iter()
        .map(|integration| integration.id().clone())
        .collect()
}

/// Returns every table of a world.
pub(crate) async fn all_targets(
    api: &(impl KomboApi + 'static),
    ids: &[IntegrationId],
) -> Vec<Target> {
    let endpoints: Vec<_> = Catalog::embedded()
        .endpoints()
        .iter()
        .map(Arc::clone)
        .collect();
    let (known, unknown) = resolve(api, ids, &endpoints, 4).await;
    assert!(unknown.is_empty(), "{unknown:?}");
    known.into_iter().flat_map(|known| known.targets).collect()
}

/// A progress watcher that does nothing.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    fn step(&self, _step: FetchStep<'_>) {}
}
