//! `backfill`: fetches every chosen table once.

use std::sync::Arc;

use tokio::time::Instant;

use super::backfill_report::BackfillReport;
use super::cli_error::{CliError, FAILED};
use super::fold_run::{FoldRun, fold};
use super::key;
use super::progress_display::ProgressDisplay;
use super::session::Session;
use super::terminal::Terminal;
use super::wait_view::{wait_view, with_wait_lines};
use crate::api::{HttpApi, KomboApi};
use crate::backfill::missing::{Round, begun};
use crate::backfill::targets::{KnownIntegration, UnknownIntegration, UnknownReason, resolve};
use crate::backfill::{Backfill, BackfillSettings};
use crate::ids::IntegrationId;
use crate::lake::{Lake, LakeError, SetAside};
use crate::plan::Kind;
use crate::service::ApiQuestions;
use crate::sink::Registration;
use crate::words::counted;

/// From this many integrations on, asking Kombo for them is worth a line: the answers may take minutes.
const MANY: usize = 50;

const REGISTRY: &str = "kombo_integrations";

/// Returns the settings of a backfill that fetches every row once.
pub(super) fn everything(session: &Session) -> BackfillSettings {
    BackfillSettings {
        want: Kind::Snapshot,
        skip_newer_than: None,
        confirm: false,
        concurrency: session.concurrency(),
        limits: session.limits(),
        ingest: session.config.source.ingest,
    }
}

/// Runs a backfill, with the fold at its end if `folds`, and returns the report.
pub(super) async fn backfill(
    session: &Session,
    api: Arc<HttpApi>,
    settings: BackfillSettings,
    folds: bool,
    quiet: bool,
) -> Result<BackfillReport, CliError> {
    let started = Instant::now();
    let lake = session.lake().await?;
    let AskedIntegrations {
        known,
        unknown,
        mut aside,
    } = known(session, &api, &lake).await?;
    let targets = known.into_iter().flat_map(|known| known.targets);
    let targets: Vec<_> = targets.collect();
    let progress = ProgressDisplay::new(targets.len(), quiet, wait_view(&api, &session.clock));
    let progress = Arc::new(progress);
    let backfill = Backfill::new(Arc::clone(&api), lake.clone(), settings);
    let outcomes = backfill.run(
        targets,
        |table| ProgressDisplay::of(&progress, table),
        |outcome| progress.end(outcome),
    );
    let outcomes = if progress.writes_lines() {
        with_wait_lines(&api, &*session.clock, outcomes).await
    } else {
        outcomes.await
    };
    progress.finish();
    let elapsed = started.elapsed();
    let mut folded = FoldRun::default();
    if folds {
        let kombo = ApiQuestions::new(Arc::clone(&api));
        let settings = session.config.sink.lake.fold.at_full_speed();
        let fold = fold(
            &lake,
            &session.endpoints,
            None,
            &settings,
            Some(&kombo),
            quiet,
        );
        // Boxed: it would make the future of every verb larger.
        folded = Box::pin(fold).await;
    }
    let unexplained = folded.unexplained.iter().cloned();
    aside.extend(unexplained.map(|error| of_table("kombo_holds", error)));
    let traffic = api.traffic();
    Ok(BackfillReport {
        outcomes,
        unknown,
        aside,
        elapsed,
        folded,
        requests: traffic.requests,
        rate_limited: traffic.rate_limited,
        waited: api.throttle_view().total_wait,
    })
}

/// The integrations of a backfill.
struct AskedIntegrations {
    known: Vec<KnownIntegration>,
    unknown: Vec<UnknownIntegration>,
    /// The registry, where the integrations could not be written to it.
    aside: Vec<SetAside<String>>,
}

/// Asks Kombo for the integrations, and registers those that Kombo knows before any of their rows arrive.
///
/// Integrations are fetched even when the registry cannot be written, because each row names its integration. An
/// integration that the registry refuses is not fetched.
async fn known(
    session: &Session,
    api: &HttpApi,
    lake: &Lake,
) -> Result<AskedIntegrations, CliError> {
    let integrations = session.integrations(Some(lake)).await?;
    let mut key_of = key::tested(&session.config, api).await?;
    if integrations.len() > MANY {
        let asked = counted(integrations.len() as u64, "integration");
        Terminal::stderr().print(&format!("asking Kombo for {asked}\n"));
    }
    let (wall, asked) = (session.clock.now(), Instant::now());
    let (endpoints, concurrency) = (&session.endpoints, session.concurrency());
    let resolved = resolve(api, &integrations, endpoints, concurrency);
    let (mut known, mut unknown) = resolved.await;
    let some_missing = unknown.iter().any(UnknownIntegration::is_missing);
    if some_missing {
        // Asked right after, with the same key: without its environment, an integration that is not found proves nothing.
        key_of = api.check_key().await.ok().map(|key| key.environment_id);
    }
    let registration = |known| session.registration(known, key_of.as_ref());
    let registrations: Vec<_> = known.iter().map(registration).collect();
    let mut aside = Vec::new();
    match lake.register_named(&registrations).await {
        Ok(written) => leave_out(written.aside, &mut known, &mut unknown),
        Err(error) => aside.push(of_table(REGISTRY, error)),
    }
    aside.extend(describe(session, lake, &known).await.err());
    if let Some(key_of) = key_of.as_ref().filter(|_| some_missing) {
        let begun = begun(api, wall, asked.elapsed());
        let round = Round { begun, key_of };
        if let Err(error) = note_missing(lake, &round, &known, &mut unknown).await {
            aside.push(of_table(REGISTRY, error));
        }
    }
    let mut targets = known.iter().flat_map(|known| &known.targets);
    if unknown.is_empty() && targets.next().is_none() {
        return Err(CliError::new(
            FAILED,
            "none of the selected endpoints belongs to the category of an integration",
            "select endpoints of the integrations' categories, such as --endpoint 'hris/*'; `kombo-source check` shows them",
        ));
    }
    Ok(AskedIntegrations {
        known,
        unknown,
        aside,
    })
}

/// Stores who the customers are and what can be read of them.
async fn describe(
    session: &Session,
    lake: &Lake,
    known: &[KnownIntegration],
) -> Result<(), SetAside<String>> {
    let customers = known.iter().map(|one| one.info.customer(&one.id));
    let customers: Vec<_> = customers.collect();
    let endpoints = session.catalog.endpoints();
    let described = lake.describe_customers(&customers, endpoints).await;
    described
        .map(drop)
        .map_err(|error| of_table("kombo_coverage", error))
}

/// Stores the new state of integrations that Kombo does not find.
async fn note_missing(
    lake: &Lake,
    round: &Round<'_>,
    known: &[KnownIntegration],
    unknown: &mut [UnknownIntegration],
) -> Result<(), LakeError> {
    let told = round.missing(&lake.registered().await?, known, unknown);
    lake.register(&told).await.map(drop)
}

/// Moves the integrations that the registry refuses from `known` to `unknown`.
fn leave_out(
    refused: Vec<SetAside<Registration>>,
    known: &mut Vec<KnownIntegration>,
    unknown: &mut Vec<UnknownIntegration>,
) {
    let is_refused = |id: &IntegrationId| refused.iter().any(|one| one.member.integration == *id);
    known.retain(|one| !is_refused(&one.id));
    unknown.extend(refused.into_iter().map(|one| UnknownIntegration {
        id: one.member.integration,
        reason: UnknownReason::Refused(one.error.into()),
    }));
}

/// Returns a table of the lake itself as one that could not be read or written.
fn of_table(name: &str, error: LakeError) -> SetAside<String> {
    let member = name.to_owned();
    SetAside { member, error }
}
