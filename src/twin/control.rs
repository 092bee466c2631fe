//! The control of a served twin, beside the API: paths below `/twin` with which a test reads and changes the world. They
//! exist only when the settings switch them on.

use std::path::{Component, Path, PathBuf};
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
use super::served::Served;
use super::truth::dump_world;
use crate::company::{Change, ChangeKind, Refusal};
use crate::cpu::CpuWork;
use crate::ids::{Category, EndpointName, IntegrationId};
use crate::json;

/// Longest span that a test may skip. All changes of the span happen at once, so the span needs a limit.
const MOST_SKIPPED: Duration = Duration::from_hours(366 * 24);

const JSON: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "application/json")];

/// A status and JSON.
type Reply = (StatusCode, [(HeaderName, &'static str); 1], String);

/// The result of a control request, or an error answer.
type ControlAnswer = Result<Reply, Reply>;

/// Returns the paths of the control.
pub(super) fn routes() -> Router<Served> {
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

async fn pause(State(twin): State<Served>) -> ControlAnswer {
    let mut world = twin.clock.world();
    world.rest();
    done(&json!({"at_ms": world.now(), "changes_per_minute": 0}))
}

async fn resume(State(twin): State<Served>) -> ControlAnswer {
    let no_pace = "this twin makes no changes by itself; start the twin with --changes-per-minute";
    let pace = twin.pace.ok_or_else(|| conflict(no_pace))?;
    let mut world = twin.clock.world();
    // A second request must not restart the running minute.
    if world.pace().is_none() {
        world.live(pace);
    }
    done(&json!({"at_ms": world.now(), "changes_per_minute": pace.changes_per_minute}))
}

async fn truth(State(twin): State<Served>, order: Bytes) -> ControlAnswer {
    let order = read::<TruthOrder>(&order)?.folder;
    let nowhere = "this twin writes no truth; start the twin with --truth DIR";
    let root = twin.truth.clone().ok_or_else(|| conflict(nowhere))?;
    let folder = below(&root, &order)
        .ok_or_else(|| bad("the folder must be the one of --truth, or below it and no link"))?;
    let dump = move || {
        let world = twin.clock.world();
        dump_world(&world, &folder).map(|()| world.now())
    };
    let dumped = CpuWork::begin(dump).await;
    let stopped = |_| refused(StatusCode::INTERNAL_SERVER_ERROR, "writing stopped");
    match dumped.map_err(stopped)? {
        Ok(at) => done(&json!({"at_ms": at})),
        Err(error) => Err(bad(&format!("writing failed: {error}"))),
    }
}

/// Returns the folder of an order, if it is the root or below it. Links below the root lead anywhere, so they are refused.
fn below(root: &Path, order: &Path) -> Option<PathBuf> {
    let root = std::path::absolute(root).ok()?;
    let wanted = root.join(order);
    let inside = wanted.strip_prefix(&root).ok()?;
    let mut folder = root.clone();
    for part in inside.components() {
        let Component::Normal(name) = part else {
            return None;
        };
        folder.push(name);
        if folder.is_symlink() {
            return None;
        }
    }
    Some(folder)
}

async fn journal(State(twin): State<Served>) -> ControlAnswer {
    let world = twin.clock.world();
    let entries: Vec<_> = world.journal().map(entry).collect();
    done(&json!({"at_ms": world.now(), "changes": entries}))
}

async fn deliveries(State(twin): State<Served>) -> ControlAnswer {
    let all: Vec<_> = twin.deliveries.all().iter().map(delivery).collect();
    done(&json!({"deliveries": all}))
}

async fn requests(State(twin): State<Served>) -> ControlAnswer {
    let world = twin.clock.world();
    let requests = world.requests();
    done(&json!({
        "total": requests.total(),
        "by_kind": {
            "delta": requests.delta, "snapshot": requests.snapshot, "other": requests.other,
        },
        "by_path": requests.by_path,
        "by_status": requests.by_status,
    }))
}

async fn change(State(twin): State<Served>, order: Bytes) -> ControlAnswer {
    let order = read::<ChangeOrder>(&order)?;
    let kind = ChangeKind::from_name(&order.kind);
    let kind = kind.ok_or_else(|| bad("there is no such kind of change"))?;
    let endpoint = order.endpoint.as_deref().map(endpoint).transpose()?;
    let mut world = twin.clock.world();
    // Only the creation of an integration needs no integration.
    let changes = match order.integration {
        None if kind == ChangeKind::IntegrationCreated => {
            world.connect();
            Vec::from_iter(world.journal().next_back().cloned())
        }
        None => return Err(bad("this kind of change needs an integration")),
        Some(text) => world
            .change(kind, &integration(&text)?, endpoint.as_ref(), order.index)
            .map_err(|error| conflict(&error.to_string()))?,
    };
    let entries: Vec<_> = changes.iter().map(entry).collect();
    done(&json!({"at_ms": world.now(), "changes": entries}))
}

async fn refuse(State(twin): State<Served>, order: Bytes) -> ControlAnswer {
    let order = read::<RefuseOrder>(&order)?;
    let with_code =
        |code| Refusal::with_code(code).ok_or_else(|| bad("there is no such error code"));
    let refusal = order.code.as_deref().map(with_code).transpose()?;
    let endpoint = order.endpoint.as_deref().map(endpoint).transpose()?;
    let whose = integration(&order.integration)?;
    let mut world = twin.clock.world();
    if !world.refuse(&whose, endpoint.as_ref(), refusal) {
        return Err(conflict("there is no such integration"));
    }
    done(&json!({"at_ms": world.now()}))
}

async fn advance(State(twin): State<Served>, order: Bytes) -> ControlAnswer {
    let by = Duration::from_secs(read::<AdvanceOrder>(&order)?.secs);
    if by > MOST_SKIPPED {
        return Err(bad("at most 366 days at once"));
    }
    let world = twin.clock.skip(by);
    done(&json!({"at_ms": world.now()}))
}

/// Reads the body of a control request. The error may quote the body, because it comes from a test.
fn read<T: DeserializeOwned>(order: &[u8]) -> Result<T, Reply> {
    json::from_slice(order)
        .map_err(|error| bad(&format!("the body is not a valid command: {error}")))
}

fn integration(text: &str) -> Result<IntegrationId, Reply> {
    IntegrationId::new(text).map_err(|_| bad("the integration is not an id"))
}

/// Reads a name such as `ats/jobs`.
fn endpoint(text: &str) -> Result<EndpointName, Reply> {
    let name = text.split_once('/').and_then(|(category, own)| {
        let category = Category::from_name(category)?;
        Some(EndpointName::new(category, own))
    });
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

#[expect(clippy::unnecessary_wraps, reason = "it ends the answers of all paths")]
fn done(body: &Value) -> ControlAnswer {
    Ok((StatusCode::OK, JSON, body.to_string()))
}

fn entry(change: &Change) -> Value {
    json!({
        "at_ms": change.at,
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
        "at_ms": delivery.at,
        "sent": sent,
        "status": status,
        "error": error,
    })
}
