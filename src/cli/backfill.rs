//! `backfill`: fetches every chosen table once.

use std::sync::Arc;

use tokio::time::Instant;

use super::failure::{FAILED, Failure};
use super::folding::{Folded, fold};
use super::progress::Progress;
use super::report::Report;
use super::session::Session;
use crate::api::{HttpApi, KomboApi};
use crate::backfill::missing::{Round, begun};
use crate::backfill::targets::{Known, Unknown, UnknownReason, resolve};
use crate::backfill::{Backfill, BackfillSettings};
use crate::ids::IntegrationId;
use crate::lake::{Lake, LakeError, SetAside};
use crate::service::ApiQuestions;
use crate::sink::Registration;

/// Integrations from which on asking for them is worth a line: it may take minutes.
const MANY: usize = 50;

/// Runs a backfill and returns what it did.
pub(super) async fn backfill(
    session: &Session,
    api: Arc<HttpApi>,
    settings: BackfillSettings,
    folds: bool,
    progress: impl FnOnce(usize, &Arc<HttpApi>) -> Progress,
) -> Result<Report, Failure> {
    let started = Instant::now();
    let lake = session.lake().await?;
    let Asked {
        known,
        unknown,
        mut aside,
    } = known(session, &api, &lake).await?;
    let targets: Vec<_> = (known.into_iter())
        .flat_map(|known| known.targets)
        .collect();
    let progress = Arc::new(progress(targets.len(), &api));
    let backfill = Backfill::new(Arc::clone(&api), lake.clone(), settings);
    let outcomes = backfill.run(
        targets,
        |table| Progress::of(&progress, table),
        |outcome| progress.end(outcome),
    );
    let outcomes = outcomes.await;
    progress.finish();
    let elapsed = started.elapsed();
    let folded = if folds {
        let kombo = ApiQuestions::new(Arc::clone(&api));
        // Boxed: it would make the future of every verb larger.
        Box::pin(fold(
            &lake,
            &session.endpoints,
            None,
            &session.config.sink.lake.fold.at_full_speed(),
            Some(&kombo),
        ))
        .await
    } else {
        Folded::default()
    };
    let unexplained = folded.unexplained.iter().map(|error| SetAside {
        member: "kombo_holds".to_owned(),
        error: error.clone(),
    });
    aside.extend(unexplained);
    let traffic = api.traffic();
    Ok(Report {
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

/// Which integrations are fetched.
struct Asked {
    known: Vec<Known>,
    unknown: Vec<Unknown>,
    /// The registry, where they could not be written down.
    aside: Vec<SetAside<String>>,
}

/// Asks Kombo for the integrations and writes down those it knows, before any of their rows arrive. They are fetched
/// although the registry cannot be written: their rows say whose they are. One that the registry refuses is not.
async fn known(session: &Session, api: &HttpApi, lake: &Lake) -> Result<Asked, Failure> {
    let integrations = session.integrations(Some(lake)).await?;
    if integrations.len() > MANY {
        eprintln!("asking Kombo for {} integrations", integrations.len());
    }
    let (wall, asked) = (session.clock.now(), Instant::now());
    let (mut known, mut unknown) = resolve(
        api,
        &integrations,
        &session.endpoints,
        session.concurrency(),
    )
    .await;
    // Right after, and with the same key: without it that Kombo finds none says nothing.
    let key_of = api.check_key().await.ok().map(|key| key.environment_id);
    let registrations: Vec<_> = known
        .iter()
        .map(|known| session.registration(known, key_of.as_ref()))
        .collect();
    let mut aside = Vec::new();
    match lake.register_named(&registrations).await {
        Ok(written) => leave_out(written.aside, &mut known, &mut unknown),
        Err(error) => aside.push(registry(error)),
    }
    if let Some(key_of) = key_of
        .as_ref()
        .filter(|_| unknown.iter().any(Unknown::is_missing))
    {
        let begun = begun(api, wall, asked.elapsed());
        let round = Round { begun, key_of };
        if let Err(error) = note_missing(lake, &round, &known, &mut unknown).await {
            aside.push(registry(error));
        }
    }
    if unknown.is_empty()
        && known
            .iter()
            .all(|integration| integration.targets.is_empty())
    {
        return Err(Failure::new(
            FAILED,
            "none of the selected endpoints belongs to the category of an integration",
            "select endpoints of the integrations' categories, such as --endpoint 'hris/*'; `kombo-source check` shows them",
        ));
    }
    Ok(Asked {
        known,
        unknown,
        aside,
    })
}

/// Writes down what becomes of integrations that Kombo does not find.
async fn note_missing(
    lake: &Lake,
    round: &Round<'_>,
    known: &[Known],
    unknown: &mut [Unknown],
) -> Result<(), LakeError> {
    let told = round.missing(&lake.registered().await?, known, unknown);
    lake.register(&told).await.map(drop)
}

/// Leaves out those that the registry refuses.
fn leave_out(
    refused: Vec<SetAside<Registration>>,
    known: &mut Vec<Known>,
    unknown: &mut Vec<Unknown>,
) {
    let is_refused = |id: &IntegrationId| refused.iter().any(|one| one.member.integration == *id);
    known.retain(|one| !is_refused(&one.id));
    unknown.extend(refused.into_iter().map(|one| Unknown {
        id: one.member.integration,
        reason: UnknownReason::Refused(one.error.into()),
    }));
}

/// Names the registry as what could not be read or written.
fn registry(error: LakeError) -> SetAside<String> {
    SetAside {
        member: "kombo_integrations".to_owned(),
        error,
    }
}
