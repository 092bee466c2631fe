//! `backfill`: fetches every chosen table once.

use std::sync::Arc;

use tokio::time::Instant;

use super::failure::{FAILED, Failure};
use super::folding::{Folded, fold};
use super::hold_cause::explained;
use super::progress::Progress;
use super::report::Report;
use super::session::Session;
use crate::api::{HttpApi, KomboApi};
use crate::backfill::missing::{Round, begun_ms};
use crate::backfill::targets::{Known, Unknown, resolve, take_turns};
use crate::backfill::{Backfill, BackfillSettings};
use crate::lake::{FoldSettings, Lake};

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
    let (known, unknown) = known(session, &api, &lake).await?;
    let targets = take_turns(&known);
    let progress = Arc::new(progress(targets.len(), &api));
    let backfill = Backfill::new(
        Arc::clone(&api),
        lake.clone(),
        Arc::clone(&progress),
        settings,
    );
    let outcomes = backfill.run(targets).await;
    progress.finish();
    let elapsed = started.elapsed();
    let mut folded = if folds {
        // Boxed: it would make the future of every verb larger.
        Box::pin(fold(
            &lake,
            &session.endpoints,
            None,
            &FoldSettings::default(),
        ))
        .await
    } else {
        Folded::default()
    };
    for hold in folded.holds_mut() {
        *hold = explained(&*api, &lake, hold).await?;
    }
    let traffic = api.traffic();
    Ok(Report {
        outcomes,
        unknown,
        elapsed,
        folded,
        requests: traffic.requests,
        rate_limited: traffic.rate_limited,
        waited: api.throttle_view().total_wait,
    })
}

/// Asks Kombo for the integrations and writes down those it knows, before any of their rows arrive.
async fn known(
    session: &Session,
    api: &HttpApi,
    lake: &Lake,
) -> Result<(Vec<Known>, Vec<Unknown>), Failure> {
    let integrations = session.integrations(Some(lake)).await?;
    if integrations.len() > MANY {
        eprintln!("asking Kombo for {} integrations", integrations.len());
    }
    let (wall_ms, asked) = (session.clock.wall_ms(), Instant::now());
    let (known, mut unknown) = resolve(
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
    lake.register_named(&registrations).await?;
    if let Some(key_of) = key_of
        .as_ref()
        .filter(|_| unknown.iter().any(Unknown::is_missing))
    {
        let begun_ms = begun_ms(api, wall_ms, asked.elapsed());
        let round = Round { begun_ms, key_of };
        let told = round.missing(&lake.registered().await?, &known, &mut unknown);
        lake.register(&told).await?;
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
    Ok((known, unknown))
}
