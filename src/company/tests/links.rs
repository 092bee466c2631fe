use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{by_id, endpoint, records, world};
use crate::catalog::Catalog;
use crate::company::relation::RELATIONS;
use crate::company::{Oddities, World};

/// All records of the endpoints that show them.
fn tables(world: &World) -> HashMap<&'static str, HashMap<String, Value>> {
    let all = Catalog::embedded().endpoints().iter();
    all.map(|endpoint| (endpoint.name().as_str(), by_id(records(world, endpoint))))
        .collect()
}

fn elements(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(_) => vec![value],
        _ => Vec::new(),
    }
}

#[test]
fn references_resolve_and_copies_equal_what_they_copy() {
    let world = world(2_000, Oddities::NONE);
    let tables = tables(&world);
    let (mut references, mut copies) = (HashSet::new(), HashSet::new());
    for relation in RELATIONS {
        // A relation of a list's elements is named by the record and the list.
        let (of, list) = relation.of.split_once('#').unwrap_or((relation.of, ""));
        let (Some(table), Some(target)) = (tables.get(of), tables.get(relation.to)) else {
            continue;
        };
        for record in table.values() {
            let holders = if list.is_empty() {
                vec![record]
            } else {
                elements(&record[list])
            };
            for holder in holders {
                if let Some(id) = holder[format!("{}_id", relation.name)].as_str() {
                    assert!(target.contains_key(id), "{relation:?}: {id}");
                    references.insert((relation.of, relation.name));
                }
                for copy in elements(&holder[relation.name]) {
                    let Some(original) = copy["id"].as_str() else {
                        continue;
                    };
                    let original = target.get(original).expect("the copied record is there");
                    same(copy, original, relation.of);
                    copies.insert((relation.of, relation.name));
                }
            }
        }
    }
    assert!(references.len() >= 33, "{}", references.len());
    assert!(copies.len() >= 25, "{}", copies.len());
}

/// What a copy and its original both have is equal; what one leaves out is null in the other.
fn same(copy: &Value, original: &Value, of: &str) {
    for (key, value) in copy.as_object().expect("an object") {
        let declared = original.get(key);
        match declared {
            Some(Value::Object(_) | Value::Array(_)) => {
                let pairs = elements(value).into_iter().zip(elements(&original[key]));
                for (inner, other) in pairs.filter(|(inner, _)| inner.is_object()) {
                    same(inner, other, of);
                }
            }
            // Links and roles that stand in a copy only.
            None if value.is_null() || value.is_object() || value.is_array() => {}
            Some(declared) => assert_eq!(declared, value, "{key} of a copy in {of}"),
            None => {}
        }
    }
}

#[test]
fn a_list_of_children_and_their_link_to_the_parent_agree() {
    let world = world(700, Oddities::NONE);
    let tables = tables(&world);
    for (parent, list, child, link) in [
        (
            "ats/candidates",
            "applications",
            "ats/applications",
            "candidate_id",
        ),
        (
            "hris/employees",
            "employments",
            "hris/employments",
            "employee_id",
        ),
        (
            "hris/employees",
            "time_off_balances",
            "hris/time-off-balances",
            "employee_id",
        ),
    ] {
        let mut listed = 0;
        for child in tables[child].values() {
            let owner = &tables[parent][child[link].as_str().expect("a link")];
            let there = elements(&owner[list])
                .iter()
                .any(|copy| copy["id"] == child["id"]);
            assert_eq!(
                there,
                child["remote_deleted_at"].is_null(),
                "{parent} {list}"
            );
            listed += usize::from(there);
        }
        assert!(listed > 300, "{parent} {list}: {listed}");
    }
}

#[test]
fn the_nested_copy_is_of_the_record_whose_id_stands_beside_it() {
    let world = world(700, Oddities::NONE);
    for (name, nested) in [
        ("ats/applications", "candidate"),
        ("ats/applications", "current_stage"),
        ("hris/employees", "manager"),
        ("hris/employees", "legal_entity"),
        ("hris/absences", "type"),
        ("lms/course-progressions", "user"),
    ] {
        let mut seen = 0;
        for record in records(&world, endpoint(name)) {
            if record[nested].is_object() {
                assert_eq!(record[nested]["id"], record[format!("{nested}_id")]);
                seen += 1;
            }
        }
        assert!(seen > 100, "{name} {nested}: {seen}");
    }
}

#[test]
fn a_stage_is_one_of_its_jobs_and_an_answer_is_to_a_question_of_the_job() {
    let world = world(700, Oddities::NONE);
    let jobs = by_id(records(&world, endpoint("ats/jobs")));
    let mut answers = 0;
    for application in records(&world, endpoint("ats/applications")) {
        let Some(job) = application["job_id"].as_str() else {
            continue;
        };
        let holds = |list: &str, key: &str, wanted: &Value| {
            elements(&jobs[job][list])
                .iter()
                .any(|item| item[key] == *wanted)
        };
        let stage = &application["current_stage"];
        assert!(stage.is_null() || holds("stages", "id", &stage["id"]));
        for answer in elements(&application["screening_question_answers"]) {
            let question = &answer["question"];
            let live = jobs[job]["remote_deleted_at"].is_null();
            assert!(!live || holds("screening_questions", "remote_id", &question["remote_id"]));
            answers += 1;
        }
    }
    assert!(answers > 500, "{answers}");
}

#[test]
fn an_employee_and_a_group_can_have_the_same_id() {
    let world = world(700, Oddities::NONE);
    let employees = by_id(records(&world, endpoint("hris/employees")));
    let groups = by_id(records(&world, endpoint("hris/groups")));
    assert!(groups.keys().all(|id| employees.contains_key(id)));
    let locations = by_id(records(&world, endpoint("hris/locations")));
    assert!(!locations.keys().any(|id| employees.contains_key(id)));
}
