//! `check`: tries the key, the integrations with their models, and the lake. Each line is `ok`, or says what to do.

use std::fmt::Display;

use super::cli_error::{CliError, FAILED};
use super::session::Session;
use super::status::{ahead, objective};
use super::terminal::Terminal;
use crate::api::{IntegrationInfo, KomboApi};
use crate::backfill::targets::UnknownReason;
use crate::ids::{Category, IntegrationId};
use crate::lake::Lake;
use crate::status::Status;
use crate::words::with_causes;

/// Prints a line per check and returns the exit code.
pub(super) async fn run(session: &Session) -> Result<u8, CliError> {
    let mut checks = Checks { exit_code: 0 };
    let lake = check_lake(session, &mut checks).await;
    check_webhook_secrets(session, &mut checks);
    let api = session.api()?;
    match api.check_key().await {
        Ok(key) => {
            let environment = format!("accepted, environment {}", key.environment_id);
            say(&format!("ok      API key: {environment}"));
        }
        Err(error) => {
            checks.failed("API key", with_causes(&error), error.advice());
            return Ok(checks.exit_code);
        }
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

    fn failed(&mut self, what: &str, problem: impl Display, advice: &str) {
        self.exit_code = self.exit_code.max(FAILED);
        say(&format!("failed  {what}: {problem}\n        {advice}"));
    }
}

async fn check_lake(session: &Session, checks: &mut Checks) -> Option<Lake> {
    let url = &session.config.sink.lake.url;
    let lake = match session.lake().await {
        Ok(lake) => lake,
        Err(failure) => {
            checks.exit_code = checks.exit_code.max(failure.exit_code);
            say(&format!("failed  lake {url}: {}", failure.line()));
            return None;
        }
    };
    match lake.probe().await {
        Ok(()) => say(&format!(
            "ok      lake: {url} can be written, also with put-if-absent"
        )),
        Err(error) => checks.failed("lake", with_causes(&error), error.advice()),
    }
    check_clocks(session, checks, &lake).await;
    Some(lake)
}

fn check_webhook_secrets(session: &Session, checks: &mut Checks) {
    if let Err(error) = session.config.check_webhook_secrets() {
        let advice = "`kombo-source run` does not start until this is corrected";
        checks.failed("webhook", with_causes(&error), advice);
    }
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
            Some(model) if !model.is_available => {
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
