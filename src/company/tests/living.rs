use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Value;

use super::{ask, by_id, endpoint, error_code, owner, records, rows, world};
use crate::catalog::Catalog;
use crate::company::{Change, ChangeError, ChangeKind, ChangeRate, Oddities, World, WorldSettings};
use crate::ids::IntegrationId;
use crate::time::format_timestamp;

pub(super) const SETTLE: Duration = Duration::from_secs(30);

pub(super) fn pace(changes_per_minute: u32, turnover: bool) -> ChangeRate {
    ChangeRate {
        changes_per_minute: NonZeroU32::new(changes_per_minute).expect("not zero"),
        turnover,
    }
}

pub(super) fn truth(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for integration in world.integrations() {
        for (endpoint, _) in integration.endpoints() {
            lines.extend(world.truth(integration.id(), endpoint));
        }
    }
    lines
}

fn journal(world: &World) -> Vec<Change> {
    world.journal().cloned().collect()
}

pub(super) fn id_of(world: &World, name: &str) -> IntegrationId {
    owner(world, endpoint(name)).id().clone()
}

#[test]
fn a_living_world_depends_on_its_seed_and_not_on_how_its_time_passes() {
    let mut slow = world(200, Oddities::default());
    let mut fast = world(200, Oddities::default());
    slow.live(pace(60, true));
    fast.live(pace(60, true));
    for _ in 0..60 {
        slow.advance(Duration::from_secs(59));
        slow.advance(Duration::from_secs(1));
    }
    fast.advance_to(Duration::from_hours(1));
    assert_eq!(journal(&slow), journal(&fast));
    assert!(truth(&slow) == truth(&fast));
    let changed = journal(&fast).len();
    assert!(changed > 3_000, "{changed} changes at one a second");
    let mut other = World::new(WorldSettings {
        integrations: 4,
        rows: 200,
        seed: 2,
        ..WorldSettings::default()
    });
    other.live(pace(60, true));
    other.advance(Duration::from_hours(1));
    let kinds = |world: &World| world.journal().map(|one| one.kind).collect::<Vec<_>>();
    assert_ne!(kinds(&other), kinds(&fast));
}

#[test]
fn every_row_of_a_living_world_links_to_rows_that_are_there() {
    let mut world = world(300, Oddities::NONE);
    world.live(pace(600, false));
    world.advance(Duration::from_mins(20));
    let applications = records(&world, endpoint("ats/applications"));
    assert!(applications.len() > 300, "some were hired");
    let candidates = by_id(records(&world, endpoint("ats/candidates")));
    for application in &applications {
        let id = application["candidate_id"].as_str().expect("an id");
        let candidate = candidates.get(id).expect("the candidate is there");
        let listed = candidate["applications"].as_array().expect("a list");
        let is_listed = listed.iter().any(|one| one["id"] == application["id"]);
        assert_eq!(is_listed, application["remote_deleted_at"].is_null());
    }
}

#[test]
fn a_delta_brings_what_was_hired_edited_renamed_and_deleted_and_what_lists_it() {
    let mut world = world(300, Oddities::NONE);
    let id = id_of(&world, "ats/applications");
    let name = endpoint("ats/applications").name();
    world.advance(Duration::from_secs(1));
    let between = format_timestamp((world.now().as_millis() - 500) * 1000);
    let mut changed = Vec::new();
    for kind in [
        ChangeKind::Hire,
        ChangeKind::Edit,
        ChangeKind::Rename,
        ChangeKind::Delete,
    ] {
        let made = world
            .change(kind, &id, Some(name), None)
            .expect("it happens");
        changed.extend(
            made.into_iter()
                .filter(|one| one.endpoint.as_ref() == Some(name)),
        );
    }
    assert_eq!(changed.len(), 4);
    let query = format!("include_deleted=true&page_size=250&updated_after={between}");
    let found = by_id(rows(&ask(&mut world, "ats/applications", &query)).0);
    for change in &changed {
        let id = change.record.as_deref().expect("one record");
        assert!(found.contains_key(id), "{:?}", change.kind);
    }
    let hired = &found[changed[0].record.as_deref().expect("a record")];
    assert_eq!(hired["changed_at"], hired["remote_created_at"]);
    let deleted = &found[changed[3].record.as_deref().expect("a record")];
    assert_eq!(deleted["changed_at"], deleted["remote_deleted_at"]);
    let candidates = by_id(rows(&ask(&mut world, "ats/candidates", &query)).0);
    assert!(candidates.contains_key(hired["candidate_id"].as_str().expect("an id")));
}

#[test]
fn a_link_that_comes_or_goes_surfaces_even_where_a_change_behind_it_does_not() {
    // `stages` of a job: linked true, changed false.
    let mut world = world(300, Oddities::NONE);
    let jobs = records(&world, endpoint("ats/jobs"));
    let mut live = jobs.iter().filter(|job| job["remote_deleted_at"].is_null());
    let (job, stage) = live
        .find_map(|job| Some((job, job["stages"][0]["id"].as_str()?)))
        .expect("a job with a stage");
    let stages = endpoint("ats/application-stages");
    let all = records(&world, stages);
    let index = all
        .iter()
        .position(|one| one["id"] == *stage)
        .expect("there") as u64;
    let id = id_of(&world, "ats/jobs");
    world.advance(Duration::from_secs(1));
    let query = format!(
        "page_size=250&updated_after={}",
        format_timestamp((world.now().as_millis() - 500) * 1000)
    );
    assert!(world.edit(&id, stages, index));
    let found = by_id(rows(&ask(&mut world, "ats/jobs", &query)).0);
    assert!(!found.contains_key(job["id"].as_str().expect("an id")));
    assert!(world.delete(&id, stages, index));
    let found = by_id(rows(&ask(&mut world, "ats/jobs", &query)).0);
    assert!(found.contains_key(job["id"].as_str().expect("an id")));
}

#[test]
fn a_rename_changes_the_name_and_leaves_every_other_value() {
    let mut world = world(300, Oddities::NONE);
    let id = id_of(&world, "hris/groups");
    let groups = endpoint("hris/groups");
    let before = records(&world, groups);
    world.advance(Duration::from_secs(1));
    let made = world.change(ChangeKind::Rename, &id, Some(groups.name()), None);
    let change = made.expect("it happens").remove(0);
    let index = usize::try_from(change.index.expect("one record")).expect("small");
    let after = records(&world, groups);
    let differs =
        |(key, value): (&String, &Value)| (after[index][key] != *value).then(|| key.clone());
    let keys: Vec<_> = before[index]
        .as_object()
        .expect("a row")
        .iter()
        .filter_map(differs)
        .collect();
    assert!(keys.contains(&"changed_at".to_owned()), "{keys:?}");
    assert!(
        keys.iter().all(|key| key == "changed_at" || key == "name"),
        "{keys:?}"
    );
}

#[test]
fn a_new_record_moves_no_other_records_links() {
    let mut world = world(300, Oddities::NONE);
    let id = id_of(&world, "hris/employees");
    let before = records(&world, endpoint("hris/employees"));
    for name in ["hris/locations", "hris/legal-entities", "hris/employees"] {
        let made = world.change(ChangeKind::Hire, &id, Some(endpoint(name).name()), None);
        assert_eq!(made.expect("it happens").len(), 1);
    }
    let after = records(&world, endpoint("hris/employees"));
    assert!(before[..] == after[..before.len()]);
    assert_eq!(after.len(), before.len() + 1);
    let found = rows(&ask(
        &mut world,
        "hris/employees",
        &format!("ids={}", after[before.len()]["id"].as_str().expect("an id")),
    ))
    .0;
    assert!(found[0] == after[before.len()]);
}

#[test]
fn a_deleted_record_loses_its_values_after_fourteen_days_and_the_journal_says_so() {
    let mut world = world(300, Oddities::default());
    let id = id_of(&world, "hris/employees");
    let employees = endpoint("hris/employees").name();
    world
        .change(ChangeKind::Delete, &id, Some(employees), None)
        .expect("it happens");
    assert_eq!(world.webhooks(SETTLE).len(), 1);
    world.advance(Duration::from_hours(14 * 24 - 1));
    assert_eq!(world.journal().count(), 1);
    world.advance(Duration::from_hours(1));
    let last = world.journal().next_back().expect("an entry");
    assert_eq!((last.kind, last.models.len()), (ChangeKind::Anonymise, 0));
    assert_eq!(world.webhooks(SETTLE), []);
}

#[test]
fn a_model_switched_off_deletes_its_rows_then_is_refused_and_comes_back() {
    let mut world = world(300, Oddities::NONE);
    let id = id_of(&world, "hris/groups");
    let groups = endpoint("hris/groups").name();
    let live = |world: &World| {
        let all = records(world, endpoint("hris/groups"));
        all.iter()
            .filter(|row| row["remote_deleted_at"].is_null())
            .count()
    };
    let before = live(&world);
    world.advance(Duration::from_secs(1));
    let query = format!(
        "include_deleted=true&page_size=250&updated_after={}",
        format_timestamp((world.now().as_millis() - 500) * 1000)
    );
    let change = world
        .change(ChangeKind::ScopeOff, &id, Some(groups), None)
        .expect("it happens");
    assert_eq!(change[0].models, ["hris_teams"]);
    assert_eq!(live(&world), 0);
    assert_eq!(
        rows(&ask(&mut world, "hris/groups", &query)).0.len(),
        before
    );
    assert_eq!(
        world.change(ChangeKind::Edit, &id, Some(groups), Some(0)),
        Err(ChangeError::NotNow)
    );
    world.advance(Duration::from_mins(1));
    for name in ["hris/groups", "hris/teams"] {
        assert_eq!(
            error_code(&ask(&mut world, name, "")),
            "INTEGRATION.MODEL_DISABLED"
        );
    }
    assert_eq!(ask(&mut world, "hris/employees", "").status, 200);
    world
        .change(ChangeKind::ScopeOn, &id, Some(groups), None)
        .expect("it happens");
    assert_eq!(live(&world), before);
    let (back, _) = rows(&ask(&mut world, "hris/groups", &query));
    assert_eq!(back.len(), before, "all of them surface again");
    world.advance(Duration::from_mins(5));
    assert_eq!(ask(&mut world, "hris/groups", "").status, 200);
}

#[test]
fn rows_of_a_living_world_still_are_what_the_schemas_say() {
    let mut world = world(300, Oddities::NONE);
    world.live(pace(900, true));
    world.advance(Duration::from_mins(10));
    for integration in world.integrations() {
        for endpoint in Catalog::embedded().endpoints() {
            for line in world.truth(integration.id(), endpoint) {
                let row: Value = serde_json::from_str(&line).expect("JSON");
                if let Err(problem) = super::conformance::object(&endpoint.fields, &row, "") {
                    panic!("{}{problem} in {row}", endpoint.name());
                }
            }
        }
    }
}
