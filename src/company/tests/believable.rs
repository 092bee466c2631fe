use std::collections::HashMap;

use serde_json::Value;

use super::{by_id, endpoint, records, world};
use crate::catalog::Catalog;
use crate::company::Oddities;
use crate::time::parse_timestamp;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Returns how many percent of the records have each value of a field.
fn shares(records: &[Value], field: &str) -> HashMap<String, usize> {
    let mut shares = HashMap::new();
    for record in records {
        let value = record[field].as_str().unwrap_or("null");
        *shares.entry(value.to_owned()).or_default() += 100;
    }
    for share in shares.values_mut() {
        *share /= records.len();
    }
    shares
}

fn instant(record: &Value, field: &str) -> Option<i64> {
    record[field].as_str().and_then(parse_timestamp)
}

#[test]
fn few_applications_end_with_a_job_and_those_have_an_accepted_offer() {
    let world = world(3_000, Oddities::NONE);
    let applications = records(&world, endpoint("ats/applications"));
    let shares = shares(&applications, "outcome");
    assert!((3..=10).contains(&shares["HIRED"]), "{shares:?}");
    assert!((5..=25).contains(&shares["PENDING"]), "{shares:?}");
    assert!(shares["DECLINED"] >= 60, "{shares:?}");
    let applications = by_id(applications);
    let (mut accepted, mut hired_accepted) = (0, 0);
    for offer in records(&world, endpoint("ats/offers")) {
        if offer["status"] == "ACCEPTED" {
            let application = &applications[offer["application_id"].as_str().expect("an id")];
            accepted += 1;
            hired_accepted += usize::from(application["outcome"] == "HIRED");
            let [applied, offered] =
                [application, &offer].map(|record| instant(record, "remote_created_at"));
            // Either may be null.
            assert!(
                applied
                    .zip(offered)
                    .is_none_or(|(applied, offered)| applied <= offered)
            );
        }
    }
    // A few outcomes are null.
    assert!(
        accepted > 100 && hired_accepted * 100 >= accepted * 95,
        "{hired_accepted} of {accepted}"
    );
    let hired = applications
        .values()
        .filter(|one| one["outcome"] == "HIRED")
        .count();
    assert!(
        hired * 100 <= accepted * 105,
        "{hired} hired with {accepted} accepted offers"
    );
}

#[test]
fn most_people_work_and_who_left_did_so_after_the_first_day_and_before_the_start_of_the_world() {
    let world = world(3_000, Oddities::NONE);
    let start = world.now().as_micros().div_euclid(MICROS_PER_DAY);
    let employees = records(&world, endpoint("hris/employees"));
    let shares = shares(&employees, "employment_status");
    assert!(shares["ACTIVE"] >= 80, "{shares:?}");
    let (mut left, mut starting) = (0, 0);
    for person in &employees {
        let day = |field: &str| instant(person, field).map(|at| at.div_euclid(MICROS_PER_DAY));
        let (first, last) = (day("start_date"), day("termination_date"));
        if let Some(last) = last {
            assert_eq!(person["employment_status"], "INACTIVE");
            assert!(
                last <= start && first.is_none_or(|first| first <= last),
                "{person}"
            );
            left += 1;
        }
        if person["employment_status"] == "PENDING" {
            assert!(first.is_none_or(|first| first >= start), "{person}");
            starting += 1;
        } else {
            assert!(first.is_none_or(|first| first <= start), "{person}");
        }
    }
    assert!(
        left > 100 && starting > 0,
        "{left} left, {starting} are starting"
    );
}

#[test]
fn a_record_is_made_before_it_changes_and_nothing_of_it_is_later_unless_it_is_planned() {
    /// Interviews, absences and pay runs that are still to come, and first days at work.
    const PLANNED: [&str; 5] = [
        "ats/interviews",
        "ats/offers",
        "hris/absences",
        "hris/employees",
        "hris/pay-runs",
    ];
    let world = world(3_000, Oddities::NONE);
    let now = world.now().as_micros();
    for endpoint in Catalog::embedded().endpoints() {
        for record in records(&world, endpoint) {
            let order = ["remote_created_at", "remote_updated_at", "changed_at"];
            let known: Vec<_> = order
                .iter()
                .filter_map(|field| instant(&record, field))
                .collect();
            assert!(known.is_sorted(), "{}: {record}", endpoint.name());
            let values = record.as_object().expect("an object");
            let late = values
                .keys()
                .find(|field| instant(&record, field).is_some_and(|at| at > now));
            let is_planned = PLANNED.contains(&endpoint.name().as_str());
            assert!(
                late.is_none() || is_planned,
                "{}: {late:?}",
                endpoint.name()
            );
        }
    }
}
