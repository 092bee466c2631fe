//! Reads bodies of webhooks within limits.
//!
//! A body is read in two steps: first the frame that all types share, then `data` according to the type. So the `data`
//! of an unknown type may have any form. Nesting needs no limit, because `serde_json` skips unknown values without
//! recursion.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::WebhookError;
use super::notification::{
    ISSUE, IntegrationChange, IntegrationEvent, IntegrationState, ModelName, Notification, Webhook,
    WebhookType,
};
use super::signature::VerifiedBody;
use super::{MAX_BODY_BYTES, MAX_MODELS, MAX_TEXT_BYTES};
use crate::customer::Issue;
use crate::ids::{Category, IdError, IntegrationId};
use crate::json;
use crate::time::{Moment, parse_instant};

/// Reads a body that Kombo signed.
pub fn parse(body: VerifiedBody<'_>) -> Result<Webhook, WebhookError> {
    preview(body.0)
}

/// Reads a body whose signature was not checked, in order to show its content. Nothing may be fetched or stored because
/// of such a body.
pub fn preview(body: &[u8]) -> Result<Webhook, WebhookError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(WebhookError::TooLong { bytes: body.len() });
    }
    // A body may come from an operator's file. Editors end a file with a newline, and JSON allows that.
    let frame: Frame<'_> = json::from_slice(body).map_err(|error| {
        if error.is_data() {
            return WebhookError::Shape { part: "the body" };
        }
        WebhookError::NotJson {
            line: error.line(),
            column: error.column(),
        }
    })?;
    let kind = text("type", frame.kind)?;
    let id = text("id", frame.id)?;
    let data = frame.data.map_or("null", RawValue::get);
    let event = |origin: EventOrigin, change| event(id.clone(), origin, change);
    match &*kind {
        "data-changed" => {
            let NamedModels { changed_models } = read(data)?;
            notification(id, read(data)?, changed_models).map(Webhook::DataChanged)
        }
        "sync-finished" => notification(id, read(data)?, Vec::new()).map(Webhook::SyncFinished),
        "integration-created" => event(read::<Renamed>(data)?.into(), IntegrationChange::Created),
        "integration-deleted" => event(read::<Renamed>(data)?.into(), IntegrationChange::Deleted),
        "integration-state-changed" => {
            let words: StateWords = read(data)?;
            let state =
                IntegrationState::from_words(&words.state, &words.setup_status, &words.qa_status);
            event(read(data)?, IntegrationChange::State(state))
        }
        // A form that this version does not know is no reason to have Kombo send the webhook again.
        ISSUE => Ok(issue(data).map_or_else(|| Webhook::Other(WebhookType(kind)), Webhook::Issue)),
        _ => Ok(Webhook::Other(WebhookType(kind))),
    }
}

/// The part that all types share.
#[derive(Deserialize)]
struct Frame<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The integration that a webhook is about.
#[derive(Deserialize)]
struct EventOrigin {
    #[serde(rename = "integration_id")]
    id: String,
    #[serde(rename = "integration_tool")]
    tool: Option<String>,
    #[serde(rename = "integration_category")]
    category: Option<String>,
}

/// The integration, under the names that `integration-created` and `integration-deleted` use.
#[derive(Deserialize)]
struct Renamed {
    id: String,
    tool: Option<String>,
    category: Option<String>,
}

impl From<Renamed> for EventOrigin {
    fn from(Renamed { id, tool, category }: Renamed) -> Self {
        Self { id, tool, category }
    }
}

#[derive(Deserialize)]
struct NamedModels {
    changed_models: Vec<ModelEntry>,
}

#[derive(Deserialize)]
struct ModelEntry {
    name: String,
}

#[derive(Deserialize)]
struct StateWords {
    #[serde(default)]
    state: String,
    #[serde(default)]
    setup_status: String,
    #[serde(default)]
    qa_status: String,
}

/// The `data` of a webhook about an issue. What it says of persons is not read.
#[derive(Deserialize)]
struct IssueData {
    change: String,
    issue: IssueWords,
    integration: Option<NamedIntegration>,
}

#[derive(Deserialize)]
struct IssueWords {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    markdown_message: String,
    first_observed_at: String,
    resolved_at: Option<String>,
}

#[derive(Deserialize)]
struct NamedIntegration {
    id: String,
}

fn issue(data: &str) -> Option<Issue> {
    let IssueData {
        change,
        issue,
        integration,
    } = read(data).ok()?;
    let integration = match integration {
        Some(named) => Some(IntegrationId::new(&named.id).ok()?),
        None => None,
    };
    let at = |text: &str| parse_instant(text).map(|us| Moment::from_millis(us / 1000));
    let first_seen = at(&issue.first_observed_at)?;
    let is_resolved = change == "resolved" || issue.status == "RESOLVED";
    // An instant that cannot be read is later than every other; the dispatcher bounds it to the present.
    let resolved = || {
        issue
            .resolved_at
            .as_deref()
            .and_then(at)
            .unwrap_or(Moment::NEVER)
    };
    Issue::new(
        &issue.id,
        integration,
        &issue.kind,
        (&issue.title, &issue.markdown_message),
        (first_seen, is_resolved.then(resolved)),
    )
}

/// Reads one part of `data`. The reader's own error may quote a value, so that error is dropped.
fn read<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, WebhookError> {
    json::from_str(data).map_err(|_| WebhookError::Shape { part: "data" })
}

fn notification(
    id: Box<str>,
    origin: EventOrigin,
    models: Vec<ModelEntry>,
) -> Result<Notification, WebhookError> {
    if models.len() > MAX_MODELS {
        let count = models.len();
        return Err(WebhookError::TooManyModels { count });
    }
    let (integration, tool, category) = identified(origin)?;
    let named = |model: ModelEntry| text("the name of a changed model", model.name).map(ModelName);
    Ok(Notification {
        id,
        integration,
        tool,
        category,
        models: models.into_iter().map(named).collect::<Result<_, _>>()?,
    })
}

fn event(
    id: Box<str>,
    origin: EventOrigin,
    change: IntegrationChange,
) -> Result<Webhook, WebhookError> {
    let (integration, tool, category) = identified(origin)?;
    Ok(Webhook::Integration(IntegrationEvent {
        id,
        integration,
        tool,
        category,
        change,
    }))
}

fn identified(
    origin: EventOrigin,
) -> Result<(IntegrationId, Box<str>, Option<Category>), WebhookError> {
    let field = "the integration's id";
    let integration = IntegrationId::new(&origin.id).map_err(|error| match error {
        // The error of `IntegrationId` quotes the id. The error made here does not.
        IdError::NoTool { .. } => WebhookError::IntegrationId,
        _ => WebhookError::Text { field },
    })?;
    let tool = match origin.tool {
        Some(tool) => text("the integration's tool", tool)?,
        None => integration.tool().into(),
    };
    let category = origin.category.as_deref().and_then(Category::from_name);
    Ok((integration, tool, category))
}

/// Checks the length and the characters of a name, because the name becomes a label, a log field or a header.
fn text(field: &'static str, text: String) -> Result<Box<str>, WebhookError> {
    let fits = (1..=MAX_TEXT_BYTES).contains(&text.len());
    if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err(WebhookError::Text { field })
    }
}

#[cfg(test)]
mod tests;
