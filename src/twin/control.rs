//! What a test can tell a served twin, and ask it, beside the API: below `/twin`, and only when that is switched on.

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::{get, post};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::herald::{Delivery, Fate};
use super::serve::Twin;
use super::truth::dump_world;
use crate::company::{Change, ChangeKind, ChangeRate, Refusal};
use crate::ids::{Category, EndpointName, IntegrationId};
use crate::json;

/// Everything that is due by then happens at once, so there is an end to it.
const MOST_SKIPPED: Duration = Duration::from_hours(366 * 24);

const JSON: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "application/json")];

/// A status and JSON.
type Reply = (StatusCode, [(HeaderName, &'static str); 1], String);

/// What was asked for, or what was wrong.
type Answer = Result<Reply, Reply>;

/// Returns the paths of the control.
pub(super) fn routes() -> Router<Twin> {
    Router::new()
        .route("/twin/pause", post(pause))
        .route("/twin/resume", post(resume))
        .route("/twin/truth", post(truth))
        .route("/twin/journal", get(journal))
        .route("/twin/deliveries", get(deliveries))
        .route("/twin/requests", get(requests))
        .route("/twin/change", post(change))
        .route("/twin/refuse", post(refuse))
        .route("/twin/advance", post(advance))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TruthOrder {
    folder: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeOrder {
    kind: String,
    integration: Option<String>,
    endpoint: Option<String>,
    index: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefuseOrder {
    integration: String,
    endpoint: Option<String>,
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceOrder {
    secs: u64,
}

async fn pause(State(twin): State<Twin>) -> Answer {
    let mut world = twin.world();
    world.rest();
    Ok(done(
        &json!({"at_ms": world.now_ms(), "changes_per_minute": 0}),
    ))
}

async fn resume(State(twin): State<Twin>) -> Answer {
    let pace = twin.pace().ok_or_else(|| {
        let message = "this twin has no pace to go back to; start it with --changes-per-minute";
        conflict(message)
    })?;
    let mut world = twin.world();
    // Twice does not start the minute anew.
    if world.pace().is_none() {
        world.live(pace);
    }
    Ok(done(&pace_now(world.now_ms(), pace)))
}

fn pace_now(now_ms: i64, pace: ChangeRate) -> Value {
    json!({"at_ms": now_ms, "changes_per_minute": pace.changes_per_minute})
}

async fn truth(State(twin): State<Twin>, order: Bytes) -> Answer {
    let folder = read::<TruthOrder>(&order)?.folder;
    let dump = move || {
        let world = twin.world();
        dump_world(&world, &folder).map(|()| world.now_ms())
    };
    let dumped = tokio::task::spawn_blocking(dump).await;
    match dumped {
        Ok(Ok(at_ms)) => Ok(done(&json!({"at_ms": at_ms}))),
        Ok(Err(error)) => Err(bad(&format!("writing failed: {error}"))),
        Err(_) => Err(refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "writing stopped",
        )),
    }
}

async fn journal(State(twin): State<Twin>) -> Answer {
    let world = twin.world();
    let entries: Vec<_> = world.journal().map(entry).collect();
    Ok(done(&json!({"at_ms": world.now_ms(), "changes": entries})))
}

async fn deliveries(State(twin): State<Twin>) -> Answer {
    let all: Vec<_> = twin.deliveries().all().iter().map(delivery).collect();
    Ok(done(&json!({"deliveries": all})))
}

async fn requests(State(twin): State<Twin>) -> Answer {
    let world = twin.world();
    let requests = world.requests();
    Ok(done(&json!({
        "total": requests.total(),
        "by_kind": {
            "delta": requests.delta, "snapshot": requests.snapshot, "other": requests.other,
        },
        "by_path": requests.by_path,
        "by_status": requests.by_status,
    })))
}

async fn change(State(twin): State<Twin>, order: Bytes) -> Answer {
    let order = read::<ChangeOrder>(&order)?;
    let kind =
        ChangeKind::from_name(&order.kind).ok_or_else(|| bad("there is no such kind of change"))?;
    let endpoint = order.endpoint.as_deref().map(endpoint).transpose()?;
    let mut world = twin.world();
    // Only what makes an integration needs none.
    let changes = match order.integration {
        None if kind == ChangeKind::IntegrationCreated => {
            world.connect();
            let made: Vec<Change> = world.journal().next_back().cloned().into_iter().collect();
            made
        }
        None => {
            return Err(bad("this kind of change needs an integration"));
        }
        Some(text) => world
            .change(kind, &integration(&text)?, endpoint.as_ref(), order.index)
            .map_err(|error| conflict(&error.to_string()))?,
    };
    let entries: Vec<_> = changes.iter().map(entry).collect();
    Ok(done(&json!({"at_ms": world.now_ms(), "changes": entries})))
}

async fn refuse(State(twin): State<Twin>, order: Bytes) -> Answer {
    let order = read::<RefuseOrder>(&order)?;
    let refusal = match order.code.as_deref() {
        None => None,
        Some(code) => Some(Refusal::with_code(code).ok_or_else(|| bad("there is no such code"))?),
    };
    let endpoint = order.endpoint.as_deref().map(endpoint).transpose()?;
    let mut world = twin.world();
    if !world.refuse(
        &integration(&order.integration)?,
        endpoint.as_ref(),
        refusal,
    ) {
        return Err(conflict("there is no such integration"));
    }
    Ok(done(&json!({"at_ms": world.now_ms()})))
}

async fn advance(State(twin): State<Twin>, order: Bytes) -> Answer {
    let by = Duration::from_secs(read::<AdvanceOrder>(&order)?.secs);
    if by > MOST_SKIPPED {
        return Err(bad("at most 366 days at once"));
    }
    let mut world = twin.world();
    twin.clock().skip(by, &mut world);
    Ok(done(&json!({"at_ms": world.now_ms()})))
}

/// Reads an order. What is wrong with it may be told: it comes from a test.
fn read<T: DeserializeOwned>(order: &[u8]) -> Result<T, Reply> {
    json::from_slice(order).map_err(|error| bad(&format!("the body is no order: {error}")))
}

fn integration(text: &str) -> Result<IntegrationId, Reply> {
    IntegrationId::new(text).map_err(|_| bad("the integration is not an id"))
}

/// Reads a name such as `ats/jobs`.
fn endpoint(text: &str) -> Result<EndpointName, Reply> {
    let parts = text.split_once('/');
    let name = parts
        .and_then(|(category, own)| Some(EndpointName::new(Category::from_name(category)?, own)));
    name.ok_or_else(|| bad("an endpoint is named category/endpoint, such as ats/jobs"))
}

fn refused(status: StatusCode, message: &str) -> Reply {
    (status, JSON, json!({"error": message}).to_string())
}

fn bad(message: &str) -> Reply {
    refused(StatusCode::BAD_REQUEST, message)
}

fn conflict(message: &str) -> Reply {
    refused(StatusCode::CONFLICT, message)
}

fn done(body: &Value) -> Reply {
    (StatusCode::OK, JSON, body.to_string())
}

fn entry(change: &Change) -> Value {
    json!({
        "at_ms": change.at_ms,
        "integration": change.integration.as_str(),
        "endpoint": change.endpoint.as_ref().map(EndpointName::as_str),
        "models": change.models,
        "record": change.record,
        "index": change.index,
        "kind": change.kind.as_str(),
    })
}

fn delivery(delivery: &Delivery) -> Value {
    let (sent, status, error) = match &delivery.fate {
        Fate::Lost => (false, None, None),
        Fate::Answered(status) => (true, Some(status), None),
        Fate::Unanswered(error) => (true, None, Some(error)),
    };
    json!({
        "id": delivery.id,
        "type": delivery.kind,
        "integration": delivery.integration,
        "models": delivery.models,
        "at_ms": delivery.at_ms,
        "sent": sent,
        "status": status,
        "error": error,
    })
}
