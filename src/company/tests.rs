//! Tests over whole worlds: what records look like, and what the API in front of them does.

mod believable;
mod conformance;
mod contract;
mod links;
mod living;
mod reach;
mod refusals;
mod telling;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Integration, Oddities, TwinAnswer, TwinRequest, World, WorldSettings};
use crate::catalog::{Catalog, Endpoint};

/// One integration of each category.
fn world(rows: u64, oddities: Oddities) -> World {
    World::new(WorldSettings {
        integrations: 4,
        rows,
        oddities,
        ..WorldSettings::default()
    })
}

fn endpoint(name: &str) -> &'static Arc<Endpoint> {
    Catalog::embedded().find(name).expect("a known endpoint")
}

/// The first integration that has an endpoint.
fn owner<'a>(world: &'a World, endpoint: &Endpoint) -> &'a Integration {
    let all = world.integrations().iter();
    let mut of_category = all.filter(|integration| integration.category() == endpoint.category);
    of_category
        .next()
        .expect("one integration of each category")
}

fn records(world: &World, endpoint: &Endpoint) -> Vec<Value> {
    let id = owner(world, endpoint).id();
    let lines = world.truth(id, endpoint);
    lines
        .map(|line| serde_json::from_str(&line).expect("a record is JSON"))
        .collect()
}

/// Asks one endpoint of the integration that has it.
fn ask(world: &mut World, name: &str, query: &str) -> TwinAnswer {
    let id = owner(world, endpoint(name)).id().clone();
    world.answer(TwinRequest {
        path: &endpoint(name).path,
        query,
        bearer: Some("twin-key"),
        integration: Some(id.as_str()),
    })
}

/// The rows of an answer, which must be a success, and the cursor.
fn rows(answer: &TwinAnswer) -> (Vec<Value>, Option<String>) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    let data = &body["data"];
    let rows = data.get("results").or_else(|| data.get("packages"));
    (
        rows.and_then(Value::as_array).expect("rows").clone(),
        data["next"].as_str().map(str::to_owned),
    )
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .map(|row| row["id"].as_str().expect("an id"))
        .collect()
}

fn by_id(records: Vec<Value>) -> HashMap<String, Value> {
    let keyed = records
        .into_iter()
        .map(|record| (record["id"].as_str().expect("an id").to_owned(), record));
    keyed.collect()
}

fn error_code(answer: &TwinAnswer) -> String {
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(body["status"], "error");
    assert!(body["error"]["message"].is_string());
    body["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn get(
    world: &mut World,
    path: &str,
    query: &str,
    bearer: Option<&str>,
    id: Option<&str>,
) -> TwinAnswer {
    world.answer(TwinRequest {
        path,
        query,
        bearer,
        integration: id,
    })
}
