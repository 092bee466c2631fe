//! `backfill`: fetches every chosen table once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failure::{FAILED, Failure};
use super::progress::{Progress, WaitView};
use super::report::Report;
use super::session::Session;
use crate::api::HttpApi;
use crate::backfill::targets::{Known, Unknown, resolve, take_turns};
use crate::backfill::{Backfill, BackfillMode, BackfillSettings};
use crate::lake::Lake;

/// What `backfill` was asked for.
pub(super) struct BackfillOrder {
    /// Everything, or what changed.
    pub(super) mode: BackfillMode,
    /// Leaves younger snapshots alone.
    pub(super) skip_newer_than: Option<Duration>,
    /// Shows no progress.
    pub(super) quiet: bool,
}

/// Runs a backfill and returns what it did.
pub(super) async fn run(session: &Session, order: &BackfillOrder) -> Result<Report, Failure> {
    let started = Instant::now();
    let api = session.api()?;
    let lake = session.lake().await?;
    let (known, unknown) = known(session, &api, &lake).await?;
    let targets = take_turns(&known);
    let progress = Arc::new(Progress::new(targets.len(), order.quiet, wait_view(&api)));
    let settings = BackfillSettings {
        mode: order.mode,
        skip_newer_than: order.skip_newer_than,
        concurrency: session.config.source.request.concurrency.get() as usize,
    };
    let backfill =
        Backfill::new(Arc::clone(&api), lake, Arc::clone(&progress), Arc::clone(&session.clock), settings);
    let outcomes = backfill.run(targets).await;
    progress.finish();
    let traffic = api.traffic();
    Ok(Report {
        outcomes,
        unknown,
        elapsed: started.elapsed(),
        requests: traffic.requests,
        rate_limited: traffic.rate_limited,
        waited: api.throttle_view().total_wait,
    })
}

/// Asks Kombo for the integrations and writes down those it knows, before any of their rows arrive.
pub(super) async fn known(
    session: &Session,
    api: &HttpApi,
    lake: &Lake,
) -> Result<(Vec<Known>, Vec<Unknown>), Failure> {
    let integrations = session.integrations(lake).await?;
    let (known, unknown) = resolve(api, &integrations, &session.endpoints).await;
    if known.iter().any(|integration| !integration.targets.is_empty()) || !unknown.is_empty() {
        let registrations: Vec<_> = known.iter().map(|known| session.registration(known)).collect();
        lake.register(&registrations).await?;
        return Ok((known, unknown));
    }
    Err(Failure::new(
        FAILED,
        "none of the selected endpoints belongs to the category of an integration",
        "select endpoints of the integrations' categories, such as --endpoint 'hris/*'; `kombo-source check` shows them",
    ))
}

fn wait_view(api: &Arc<HttpApi>) -> WaitView {
    let api = Arc::clone(api);
    Arc::new(move || {
        let view = api.throttle_view();
        view.resumes_in.filter(|left| view.waiting > 0 && *left >= Duration::from_secs(1))
    })
}
