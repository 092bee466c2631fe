//! `check`: tries the key, the integrations with their models, and the lake. Each line is `ok`, or says what to do.

use std::fmt::Display;

use super::cli_error::{CliError, FAILED};
use super::key;
use super::no_integrations::NoIntegration;
use super::session::Session;
use super::status::{ahead, objective};
use super::terminal::Terminal;
use crate::api::{IntegrationInfo, KomboApi};
use crate::backfill::targets::UnknownReason;
use crate::ids::{Category, IntegrationId};
use crate::lake::{FolderRisk, Lake};
use crate::status::Status;
use crate::words::with_causes;

const NO_LAKE_YET: &str =
    "there is no lake yet, and `kombo-source backfill` or `kombo-source run` creates it";

/// Prints a line per check and returns the exit code.
pub(super) async fn run(session: &Session) -> Result<u8, CliError> {
    let mut checks = Checks { exit_code: 0 };
    let lake = check_lake(session, &mut checks).await;
    check_files(session, &mut checks);
    let api = session.api()?;
    match api.check_key().await {
        Ok(key) => {
            let environment = format!("accepted, environment {}", key.environment_id);
            say(&format!("ok      API key: {environment}"));
        }
        Err(error) => {
            let problem = format!("{}; {}", with_causes(&error), key::origin(&session.config));
            checks.failed("API key", problem, error.advice());
            return Ok(checks.exit_code);
        }
    }
    if let Some(none) = NoIntegration::of(&session.config.source, lake.as_ref()).await
        && (lake.is_some() || checks.exit_code == 0)
    {
        checks.without_integrations(none);
        return Ok(checks.exit_code);
    }
    let integrations = match &lake {
        Some(lake) => checks.integrations(session, lake).await?,
        None => session.config.source.integrations.clone(),
    };
    for id in &integrations {
        match api.integration(id).await {
            Ok(info) => check_integration(session, &mut checks, id.as_str(), &info),
            Err(error) => checks.failed(id.as_str(), with_causes(&error), error.advice()),
        }
    }
    Ok(checks.exit_code)
}

/// Prints a line at once: a check of many integrations takes a while.
fn say(line: &str) {
    Terminal::stdout().print(&format!("{line}\n"));
}

/// The exit code so far: 0 while nothing failed.
struct Checks {
    exit_code: u8,
}

impl Checks {
    /// Returns the integrations to check. A registry that cannot be read is a failed check, and does not end the others.
    async fn integrations(
        &mut self,
        session: &Session,
        lake: &Lake,
    ) -> Result<Vec<IntegrationId>, CliError> {
        match lake.registered().await {
            Ok(_) => session.integrations(Some(lake)).await,
            Err(error) => {
                self.failed("kombo_integrations", with_causes(&error), error.advice());
                Ok(session.config.source.integrations.clone())
            }
        }
    }

    /// Says what the service does without integrations: a service that would never fetch anything does not start.
    fn without_integrations(&mut self, none: NoIntegration) {
        let advice = none.advice();
        match none {
            NoIntegration::Waits => say(&format!("note    {}\n        {advice}", none.text())),
            NoIntegration::Never => self.failed("integrations", none.text(), &advice),
        }
    }

    fn failed_open(&mut self, url: &str, failure: &CliError) {
        self.exit_code = self.exit_code.max(failure.exit_code);
        say(&format!("failed  lake {url}: {}", failure.line()));
    }

    fn failed(&mut self, what: &str, problem: impl Display, advice: &str) {
        self.exit_code = self.exit_code.max(FAILED);
        say(&format!("failed  {what}: {problem}\n        {advice}"));
    }
}

/// Checks the lake, and returns it if there is one. Creates no lake: where none is, its place is tried.
async fn check_lake(session: &Session, checks: &mut Checks) -> Option<Lake> {
    let settings = &session.config.sink.lake;
    let can_be_written = format!(
        "ok      lake: {} can be written, also with put-if-absent",
        settings.url
    );
    let lake = match session.existing_lake().await {
        Ok(Some(lake)) => lake,
        Ok(None) => {
            match Lake::probe_place(settings).await {
                Ok(()) => say(&format!("{can_be_written}; {NO_LAKE_YET}")),
                Err(error) => checks.failed_open(&settings.url, &error.into()),
            }
            return None;
        }
        Err(failure) => {
            checks.failed_open(&settings.url, &failure);
            return None;
        }
    };
    match lake.probe().await {
        Ok(()) => say(&can_be_written),
        Err(error) => checks.failed("lake", with_causes(&error), error.advice()),
    }
    check_clocks(session, checks, &lake).await;
    Some(lake)
}

/// Checks the files that the service needs. The API key is tried at Kombo.
fn check_files(session: &Session, checks: &mut Checks) {
    let advice = "`kombo-source run` does not start until this is corrected";
    let config = &session.config;
    for (what, checked) in [
        ("webhook", config.check_webhook_secrets()),
        ("webhook", config.check_tls_files().map(Vec::from_iter)),
        ("lake", config.check_store_files()),
    ] {
        match checked {
            Ok(warnings) => Session::warn(warnings),
            Err(error) => checks.failed(what, with_causes(&error), advice),
        }
    }
    Session::warn(FolderRisk::of(&config.data_dir));
}

/// Reports tables that lie in the future, as `status` does.
async fn check_clocks(session: &Session, checks: &mut Checks, lake: &Lake) {
    let (objective, now) = (objective(session, None), session.clock.now());
    let status = Status::read(lake, &session.endpoints, objective, now).await;
    for table in ahead::said(&status) {
        checks.failed("lake", table, ahead::ADVICE);
    }
    for unread in &status.unread {
        let what = format!("{} cannot be read: {}", unread.name, unread.error);
        checks.failed("lake", what, unread.advice);
    }
}

fn check_integration(session: &Session, checks: &mut Checks, id: &str, info: &IntegrationInfo) {
    let Some(category) = Category::from_name(&info.category) else {
        let advice = UnknownReason::Category.advice();
        checks.failed(id, UnknownReason::Category, advice);
        return;
    };
    if info.status != "ACTIVE" {
        let advice = "reconnect or resume the integration in Kombo's dashboard";
        checks.failed(id, format!("its status is {}", info.status), advice);
        return;
    }
    let setup = info.setup_status.as_deref();
    if let Some(setup) = setup.filter(|status| *status != "COMPLETED") {
        let advice = "wait until Kombo has finished the first sync; a fetch before that is refused";
        checks.failed(id, format!("its setup is {setup}"), advice);
        return;
    }
    let endpoints = session.endpoints.iter().filter(|e| e.category == category);
    let mut readable = Vec::new();
    for endpoint in endpoints {
        let own = endpoint.models.first().map(|model| model.name.as_str());
        let model = own.and_then(|own| info.read_models.iter().find(|model| model.id == own));
        let endpoint = endpoint.name();
        match model {
            Some(model) if !model.is_available() => {
                let model = &model.id;
                say(&format!(
                    "note    {id}: {endpoint} cannot be read: {model} is not available"
                ));
            }
            _ => readable.push(endpoint.as_str()),
        }
    }
    if let Some(since) = &info.data_expired_at {
        say(&format!(
            "note    {id}: scopes or filters changed at {since}; rows are stale until Kombo has synced again"
        ));
    }
    let (tool, category, readable) = (&info.tool, &info.category, readable.join(", "));
    say(&format!(
        "ok      {id}: {tool} {category}, can read {readable}"
    ));
}
