//! `explain`: what a webhook reports, and which requests it causes and saves. Works offline.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use serde::Serialize;

use super::args::ExplainArgs;
use super::cli_error::{CliError, FAILED, USAGE};
use super::failed::text;
use super::session::Session;
use crate::config::{Overrides, WEBHOOK_SECRET_VARIABLE};
use crate::plan::{Plan, PlanStep, Planner};
use crate::webhook::{
    IntegrationChange, IntegrationEvent, IntegrationState, MAX_BODY_BYTES, Notification, Signature,
    SignatureError, Verifier, Webhook, WebhookError, WebhookSecret, parse, preview,
};
use crate::words::counted;

/// Returns the settings of the session: those of the file with other endpoints, and without a lake.
pub(super) fn overrides(args: &ExplainArgs) -> Overrides {
    Overrides {
        endpoints: args.endpoints.clone(),
        // A configuration without a lake is refused, although this verb opens no lake.
        lake_url: Some(".".to_owned()),
        ..Overrides::default()
    }
}

/// Reads the payload and returns the explanation as text or JSON.
pub(super) fn run(args: &ExplainArgs, session: &Session) -> Result<String, CliError> {
    let body = read(&args.payload)?;
    let secret = std::env::var(WEBHOOK_SECRET_VARIABLE).ok();
    let webhook = understood(&body, args.signature.as_deref(), secret.as_deref())?;
    let mode = args.plan.unwrap_or(session.config.source.plan);
    let planner = Planner::new(&session.catalog, session.endpoints.clone(), mode);
    let explanation = Explanation::of(&webhook, &planner, args.signature.is_some());
    Ok(if args.json {
        explanation.json()
    } else {
        explanation.text()
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let from_stdin = path == Path::new("-");
    let no_payload = |message: String| {
        let advice = "give --payload FILE, or write the body of a webhook to standard input";
        CliError::new(USAGE, message, advice)
    };
    // A bare `explain` on a terminal would wait for input forever.
    if from_stdin && io::stdin().is_terminal() {
        return Err(no_payload("there is no payload".to_owned()));
    }
    let mut body = Vec::new();
    // One byte more than is allowed shows that the body is too long.
    let limit = MAX_BODY_BYTES as u64 + 1;
    let read = if from_stdin {
        io::stdin().take(limit).read_to_end(&mut body)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut body))
    };
    let (name, cannot_read) = (path.display(), "cannot read the payload");
    read.map_err(|error| no_payload(format!("{cannot_read} {name}: {error}")))?;
    Ok(body)
}

/// Checks the signature where one is given, and reads the body.
fn understood(
    body: &[u8],
    signature: Option<&str>,
    secret: Option<&str>,
) -> Result<Webhook, CliError> {
    let Some(signature) = signature else {
        return preview(body).map_err(CliError::from);
    };
    let advice =
        "copy the secret from Kombo's dashboard, which shows the secret beside the webhook";
    let refused = |problem: String| CliError::new(USAGE, problem, advice);
    let secret = secret.ok_or_else(|| {
        refused(format!(
            "--signature is given, but ${WEBHOOK_SECRET_VARIABLE} is not set"
        ))
    })?;
    let secret = WebhookSecret::new(secret)
        .map_err(|problem| refused(format!("${WEBHOOK_SECRET_VARIABLE} {problem}")))?;
    let body = Verifier::new(secret).verify(body, &Signature::parse(signature)?)?;
    parse(body).map_err(CliError::from)
}

const FORM: &str = "give the body of a webhook as Kombo posts it: {\"id\", \"type\", \"data\"}";
const BYTES: &str = "give exactly the bytes that Kombo posted, without a newline at the end or other spacing, and compare the secret with Kombo's dashboard";

impl From<WebhookError> for CliError {
    fn from(error: WebhookError) -> Self {
        Self::new(FAILED, error.to_string(), FORM)
    }
}

impl From<SignatureError> for CliError {
    fn from(error: SignatureError) -> Self {
        Self::new(FAILED, error.to_string(), BYTES)
    }
}

/// The printed explanation.
#[derive(Debug, Default, Serialize)]
struct Explanation {
    #[serde(rename = "type")]
    kind: String,
    signature: &'static str,
    integration: Option<String>,
    category: Option<String>,
    models: Vec<String>,
    effect: Option<&'static str>,
    endpoints: Vec<EndpointLine>,
    requests: usize,
    instead_of: usize,
}

/// What a webhook causes for one endpoint.
#[derive(Debug, Serialize)]
struct EndpointLine {
    endpoint: String,
    action: &'static str,
    reason: String,
    stale: Vec<String>,
}

impl Explanation {
    fn of(webhook: &Webhook, planner: &Planner, is_signed: bool) -> Self {
        let mut explanation = Self {
            kind: webhook.label().to_owned(),
            signature: if is_signed { "right" } else { "not checked" },
            ..Self::default()
        };
        match webhook {
            Webhook::DataChanged(notification) | Webhook::SyncFinished(notification) => {
                explanation.planned(notification, &planner.plan(notification));
            }
            Webhook::Integration(event) => explanation.registered(event),
            Webhook::Issue(issue) => {
                explanation.integration = issue.integration.as_ref().map(ToString::to_string);
                explanation.effect = Some(
                    "the issue is stored in kombo_issues, if its integration is known; it causes no request",
                );
            }
            Webhook::Other(kind) => {
                kind.as_str().clone_into(&mut explanation.kind);
                explanation.effect =
                    Some("the webhook is counted in the metrics and causes no request");
            }
        }
        explanation
    }

    fn planned(&mut self, notification: &Notification, plan: &Plan) {
        self.integration = Some(notification.integration.to_string());
        self.category = notification.category.map(|category| category.to_string());
        let models = notification.models.iter();
        self.models = models.map(ToString::to_string).collect();
        self.endpoints = plan.steps.iter().map(EndpointLine::of).collect();
        self.requests = plan.fetched().count();
        self.instead_of = plan.steps.len();
        if plan.steps.is_empty() {
            self.effect = Some("no endpoint of the integration's category is configured");
        }
    }

    fn registered(&mut self, event: &IntegrationEvent) {
        self.integration = Some(event.integration.to_string());
        self.category = event.category.map(|category| category.to_string());
        self.effect = Some(effect(event.change));
    }

    fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("an explanation holds only strings and numbers") + "\n"
    }

    fn text(&self) -> String {
        let category = self.category.as_deref().unwrap_or("of an unknown category");
        let integration = self.integration.as_ref();
        let integration = integration.map(|id| format!("{id}, {category}"));
        let models = (!self.models.is_empty()).then(|| self.models.join(", "));
        let said = [
            ("type", Some(&*self.kind)),
            ("signature", Some(self.signature)),
            ("integration", integration.as_deref()),
            ("changed", models.as_deref()),
            ("effect", self.effect),
        ];
        let said = said.into_iter();
        let mut lines: Vec<_> = said
            .filter_map(|(name, value)| Some(format!("{name:<13}{}", value?)))
            .collect();
        if self.endpoints.is_empty() {
            return text(&lines);
        }
        lines.push(String::new());
        let widest = self.endpoints.iter().map(|line| line.endpoint.len()).max();
        let widest = widest.unwrap_or_default();
        lines.extend(self.endpoints.iter().map(|line| {
            let (action, endpoint, reason) = (line.action, &line.endpoint, &line.reason);
            format!("{action:<10}{endpoint:<widest$}  {reason}")
        }));
        let requests = counted(self.requests as u64, "request");
        lines.push(format!("\n{requests} instead of {}", self.instead_of));
        text(&lines)
    }
}

/// Returns what a webhook about an integration causes.
fn effect(change: IntegrationChange) -> &'static str {
    let state = match change {
        IntegrationChange::Created => {
            return "Kombo is asked; once Kombo confirms the integration, it is registered, and every table is fetched as soon as it can be read";
        }
        IntegrationChange::Deleted => {
            return "Kombo is asked; the integration counts as deleted when Kombo did not find it twice, a day apart";
        }
        IntegrationChange::State(state) => state,
    };
    match state {
        IntegrationState::Readable => {
            "Kombo is asked: the webhook reports that the integration can be read"
        }
        IntegrationState::SetupPending => {
            "Kombo is asked: the webhook reports that the setup of the integration is not complete"
        }
        IntegrationState::QaFailed => {
            "Kombo is asked: the webhook reports that the integration failed Kombo's quality check"
        }
        IntegrationState::AuthenticationInvalid => {
            "Kombo is asked: the webhook reports that the customer has to connect the tool again"
        }
        IntegrationState::Inactive => {
            "Kombo is asked: the webhook reports that the integration is switched off"
        }
        IntegrationState::Unknown => {
            "Kombo is asked: the webhook reports a state that this version does not know"
        }
    }
}

impl EndpointLine {
    fn of(step: &PlanStep) -> Self {
        Self {
            endpoint: step.endpoint.name().to_string(),
            action: step.action.as_str(),
            reason: step.reason(),
            stale: step.stale.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::plan::{Action, PlanMode};

    const BODY: &str = include_str!("../../fixtures/webhooks/data-changed.hris.json");

    fn explain(body: &str, mode: PlanMode) -> Explanation {
        let catalog = Catalog::embedded();
        let planner = Planner::new(catalog, catalog.endpoints().to_vec(), mode);
        Explanation::of(&preview(body.as_bytes()).expect(body), &planner, false)
    }

    #[test]
    fn an_explanation_has_a_line_for_each_endpoint_and_the_sum() {
        let text = explain(BODY, PlanMode::Changed).text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "type         data-changed");
        assert_eq!(
            lines[2],
            "integration  personio:CBNMt7dSNCzBdnRTx87dev4E, hris"
        );
        assert_eq!(lines[3], "changed      hris_skills, hris_teams");
        let groups = "delta     hris/groups                        updated_after reports changes of hris_teams";
        assert!(lines.contains(&groups), "{text}");
        let employees = "saved     hris/employees                     updated_after does not report changes of hris_teams: \
                         nested copies are stale until the next snapshot";
        assert!(lines.contains(&employees), "{text}");
        assert_eq!(lines.last(), Some(&"5 requests instead of 18"));
    }

    #[test]
    fn requests_are_what_is_not_saved() {
        for mode in [PlanMode::Changed, PlanMode::All] {
            let found = explain(BODY, mode);
            let saved = found
                .endpoints
                .iter()
                .filter(|line| line.action == Action::Save.as_str());
            assert_eq!(found.requests + saved.count(), found.instead_of);
            assert_eq!(found.requests == found.instead_of, mode == PlanMode::All);
            let value: serde_json::Value = serde_json::from_str(&found.json()).expect("JSON");
            assert_eq!(value["requests"], found.requests);
        }
    }

    #[test]
    fn webhooks_without_a_plan_say_what_they_cause() {
        for (body, effect) in [
            (
                include_str!("../../fixtures/webhooks/integration-created.json"),
                "Kombo is asked; once Kombo confirms the integration, it is registered",
            ),
            (
                include_str!("../../fixtures/webhooks/integration-deleted.json"),
                "Kombo is asked; the integration counts as deleted",
            ),
            (
                include_str!("../../fixtures/webhooks/integration-state-changed.json"),
                "Kombo is asked: the webhook reports that the integration can be read",
            ),
            (
                include_str!("../../fixtures/webhooks/issue-status-changed.json"),
                "the webhook is counted",
            ),
        ] {
            let text = explain(body, PlanMode::Changed).text();
            assert!(text.contains(&format!("effect       {effect}")), "{text}");
            assert!(!text.contains("instead of"), "{text}");
        }
    }

    #[test]
    fn a_signature_is_checked_when_it_is_given() {
        let code = |signature, secret| {
            understood(BODY.as_bytes(), signature, secret).map_err(|failure| failure.exit_code)
        };
        let (ours, theirs) = ("whsec-ours-12345678", "whsec-theirs-12345678");
        let secret = WebhookSecret::new(ours).expect("a secret");
        let signature = secret.sign(BODY.as_bytes());
        assert!(code(Some(&signature), Some(ours)).is_ok());
        assert_eq!(code(Some(&signature), Some(theirs)), Err(FAILED));
        assert_eq!(code(Some(&signature), Some("short")), Err(USAGE));
        assert_eq!(code(Some(&signature), None), Err(USAGE));
        assert_eq!(code(Some(&signature), Some(" ")), Err(USAGE));
        assert!(code(None, Some("t")).is_ok());
    }
}
