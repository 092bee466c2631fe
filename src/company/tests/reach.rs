use serde_json::Value;

use super::{ask, endpoint, ids, records, rows, world};
use crate::catalog::{Catalog, Endpoint};
use crate::company::relation::{REACH_FIELDS, RELATIONS, Relation};
use crate::company::{Oddities, World};
use crate::time::{format_timestamp, parse_timestamp};
use std::time::Duration;

/// The relation behind a documented path, where it is one to records that an endpoint lists.
fn relation(endpoint: &Endpoint, path: &str) -> Option<&'static Relation> {
    let renamed = REACH_FIELDS.iter().find(|(known, _)| *known == path);
    let field = renamed.map_or(path, |(_, field)| field);
    let mut of = RELATIONS.iter();
    of.find(|r| r.of == endpoint.name().as_str() && r.name == field)
        .filter(|r| Catalog::embedded().find(r.to).is_some())
}

/// The id a record has in a relation.
fn related_id(record: &Value, field: &str) -> Option<String> {
    let of = |value: &Value| value["id"].as_str().map(str::to_owned);
    let nested = &record[field];
    of(nested)
        .or_else(|| of(&nested[0]))
        .or_else(|| record[format!("{field}_id")].as_str().map(str::to_owned))
}

/// Edits the record with this id, one second later, and returns the instant in between.
fn edit(world: &mut World, endpoint: &Endpoint, id: &str) -> String {
    let index = position(world, endpoint, id);
    world.advance(Duration::from_secs(1));
    let between = format_timestamp((world.now().as_millis() - 500) * 1000);
    let integration = super::owner(world, endpoint).id().clone();
    assert!(world.edit(&integration, endpoint, index));
    between
}

fn position(world: &World, endpoint: &Endpoint, id: &str) -> u64 {
    let all = records(world, endpoint);
    let position = all.iter().position(|record| record["id"] == id);
    position.expect("the record is there") as u64
}

#[test]
fn updated_after_reaches_exactly_as_far_into_nested_data_as_documented() {
    let mut world = world(300, Oddities::NONE);
    let (mut reached, mut not_reached) = (0, 0);
    for endpoint in Catalog::embedded().endpoints() {
        for nested in &endpoint.nested {
            let Some(relation) = relation(endpoint, &nested.path) else {
                continue;
            };
            let all = records(&world, endpoint);
            let mut live = all.iter().filter(|row| row["remote_deleted_at"].is_null());
            let found = live.find_map(|row| Some((row, related_id(row, relation.name)?)));
            // Roles have no id in the copies; their reach is the next test.
            let Some((row, related)) = found else {
                continue;
            };
            let to = super::endpoint(relation.to);
            let between = edit(&mut world, to, &related);
            let name = endpoint.name().as_str();
            let query = format!("page_size=250&updated_after={between}");
            let (found, _) = rows(&ask(&mut world, name, &query));
            let surfaced = ids(&found).contains(&row["id"].as_str().expect("an id"));
            let expected = nested.changed == Some(true);
            assert_eq!(surfaced, expected, "{name} {}", nested.path);
            if expected {
                reached += 1;
            } else {
                not_reached += 1;
            }
        }
    }
    assert!(
        reached >= 15 && not_reached >= 10,
        "{reached} {not_reached}"
    );
}

#[test]
fn a_role_that_changes_brings_its_users_back() {
    let mut world = world(300, Oddities::NONE);
    let roles = records(&world, endpoint("ats/roles"));
    let between = edit(
        &mut world,
        endpoint("ats/roles"),
        roles[0]["id"].as_str().expect("an id"),
    );
    let (users, _) = rows(&ask(
        &mut world,
        "ats/users",
        &format!("updated_after={between}"),
    ));
    let now = records(&world, endpoint("ats/roles"));
    assert!(!users.is_empty());
    for user in users {
        let roles = user["system_roles"].as_array().expect("a list");
        assert!(
            roles
                .iter()
                .any(|role| role["remote_id"] == now[0]["remote_id"])
        );
    }
}

#[test]
fn an_edit_changes_values_and_changed_at_and_neither_id_nor_links() {
    let mut world = world(300, Oddities::NONE);
    let before = records(&world, endpoint("ats/applications"));
    let at = before
        .iter()
        .position(|row| row["remote_deleted_at"].is_null())
        .expect("one is live");
    let id = before[at]["id"].as_str().expect("an id");
    edit(&mut world, endpoint("ats/applications"), id);
    let after = records(&world, endpoint("ats/applications"));
    let changed = parse_timestamp(after[at]["changed_at"].as_str().expect("a timestamp"));
    assert_eq!(changed, Some(world.now().as_millis() * 1000));
    for key in [
        "id",
        "remote_id",
        "candidate_id",
        "job_id",
        "remote_created_at",
    ] {
        assert_eq!(before[at][key], after[at][key], "{key}");
    }
    assert_ne!(before[at]["custom_fields"], after[at]["custom_fields"]);
    let unchanged = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before == after)
        .count();
    assert_eq!(unchanged, before.len() - 1);
}

#[test]
fn updated_after_returns_what_changed_since_and_nothing_else() {
    let mut world = world(2_000, Oddities::default());
    let limit = "2025-12-20T00:00:00.000Z";
    let all = records(&world, endpoint("ats/tags"));
    let expected: Vec<_> = all
        .iter()
        .filter(|row| row["changed_at"].as_str().is_some_and(|at| at > limit))
        .map(|row| row["id"].as_str().expect("an id"))
        .collect();
    let query = format!("include_deleted=true&page_size=250&updated_after={limit}");
    let (found, _) = rows(&ask(&mut world, "ats/tags", &query));
    assert_eq!(ids(&found), expected);
    assert!(!expected.is_empty() && expected.len() < all.len());
    let (none, next) = rows(&ask(
        &mut world,
        "ats/tags",
        "updated_after=2026-01-05T08:00:00Z",
    ));
    assert_eq!((none.len(), next), (0, None));
}

#[test]
fn a_deleted_row_hides_without_include_deleted_and_turns_null_after_fourteen_days() {
    let mut world = world(300, Oddities::default());
    let candidates = endpoint("ats/candidates");
    let all = records(&world, candidates);
    let at = all
        .iter()
        .position(|row| row["remote_deleted_at"].is_null())
        .expect("one is live");
    let id = all[at]["id"].as_str().expect("an id").to_owned();
    let integration = super::owner(&world, candidates).id().clone();
    assert!(world.delete(&integration, candidates, at as u64));
    let (hidden, _) = rows(&ask(&mut world, "ats/candidates", &format!("ids={id}")));
    assert_eq!(hidden.len(), 0);
    let query = format!("ids={id}&include_deleted=true");
    let (shown, _) = rows(&ask(&mut world, "ats/candidates", &query));
    assert_eq!(shown[0]["changed_at"], shown[0]["remote_deleted_at"]);
    let applications = records(&world, endpoint("ats/applications"));
    let mut of_it = applications.iter().filter(|row| row["candidate_id"] == *id);
    assert!(
        of_it.all(|row| row["candidate"].is_null()),
        "no copy of a deleted record"
    );

    world.advance(Duration::from_hours(14 * 24));
    let (shown, _) = rows(&ask(&mut world, "ats/candidates", &query));
    let values = shown[0].as_object().expect("an object").values();
    assert_eq!(values.filter(|value| !value.is_null()).count(), 2);
}

#[test]
fn no_row_is_anonymised_within_the_first_day_of_a_run() {
    let mut world = world(3_000, Oddities::default());
    let before = records(&world, endpoint("hris/employees"));
    world.advance(Duration::from_hours(23));
    assert!(before == records(&world, endpoint("hris/employees")));
    world.advance(Duration::from_hours(14 * 24));
    assert!(before != records(&world, endpoint("hris/employees")));
}
