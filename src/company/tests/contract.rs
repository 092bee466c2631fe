use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Value;

use super::{ask, endpoint, error_code, get, ids, owner, records, rows, world};
use crate::catalog::Catalog;
use crate::company::{Oddities, RateLimit, Refusal, TwinAnswer, World, WorldSettings};

#[test]
fn paging_brings_every_row_exactly_once_and_in_the_bytes_of_the_truth() {
    let mut world = world(550, Oddities::default());
    for endpoint in Catalog::embedded().endpoints() {
        let name = endpoint.name().as_str();
        let mut found = Vec::new();
        let (mut cursor, mut pages) = (None::<String>, 0);
        loop {
            let mut query = String::new();
            if endpoint.page_size.is_some() {
                query.push_str("&page_size=97");
            }
            if endpoint.include_deleted {
                query.push_str("&include_deleted=true");
            }
            if let Some(cursor) = cursor {
                query.push_str("&cursor=");
                query.push_str(&cursor);
            }
            let (page, next) = rows(&ask(&mut world, name, query.trim_start_matches('&')));
            assert!(page.len() <= 100, "{name}");
            found.extend(page);
            pages += 1;
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        let truth = records(&world, endpoint);
        assert!(
            found == truth,
            "{name}: {} of {} rows",
            found.len(),
            truth.len()
        );
        assert_eq!(
            pages,
            truth.len().div_ceil(if endpoint.page_size.is_some() {
                97
            } else {
                100
            }),
            "{name}"
        );
    }
}

#[test]
fn the_envelope_has_next_before_results_and_packages_have_none() {
    let mut world = world(550, Oddities::default());
    let answer = ask(&mut world, "ats/jobs", "page_size=1");
    assert!(
        answer
            .body
            .starts_with(r#"{"status":"success","data":{"next":""#)
    );
    assert!(answer.body.contains(r#"","results":[{"id":""#));
    let answer = ask(&mut world, "assessment/packages", "");
    assert!(
        answer
            .body
            .starts_with(r#"{"status":"success","data":{"packages":[{"id":""#)
    );
}

#[test]
fn an_answer_carries_the_date_of_the_worlds_clock_in_whole_seconds() {
    let mut world = world(50, Oddities::default());
    world.advance(Duration::from_millis(61_999));
    let answer = ask(&mut world, "ats/tags", "");
    assert_eq!(answer.header("date"), Some("Mon, 05 Jan 2026 08:01:01 GMT"));
    assert_eq!(
        answer.header("ratelimit-limit"),
        None,
        "no limit, no headers"
    );
}

#[test]
fn the_default_page_has_a_hundred_rows_and_the_largest_250() {
    let mut world = world(550, Oddities::default());
    assert_eq!(rows(&ask(&mut world, "hris/employees", "")).0.len(), 100);
    assert_eq!(
        rows(&ask(&mut world, "hris/employees", "page_size=250"))
            .0
            .len(),
        250
    );
}

#[test]
fn parameters_that_the_endpoint_does_not_take_are_called_invalid() {
    let mut world = world(550, Oddities::default());
    let (_, cursor) = rows(&ask(&mut world, "ats/applications", ""));
    let cursor = format!("cursor={}", cursor.expect("more than one page"));
    assert_eq!(ask(&mut world, "ats/applications", &cursor).status, 200);
    for (name, query) in [
        ("ats/applications", "page_size=0"),
        ("ats/applications", "page_size=251"),
        ("ats/applications", "page_size=+1"),
        ("ats/applications", "page_size="),
        ("ats/applications", "cursor=garbage"),
        ("ats/candidates", &cursor),
        ("hris/employees", &cursor),
        (
            "ats/applications",
            "updated_after=2026-01-01T00:00:00.000%2B00:00",
        ),
        ("ats/applications", "updated_after=yesterday"),
        ("ats/applications", "include_deleted=1"),
        ("ats/applications", "updatedAfter=2026-01-01"),
        ("hris/skills", "updated_after=2026-01-01"),
        ("hris/skills", "page_size=10"),
        ("assessment/orders", "include_deleted=true"),
        ("assessment/packages", "ids=x"),
    ] {
        let answer = ask(&mut world, name, query);
        assert_eq!(
            (answer.status, error_code(&answer).as_str()),
            (400, "PLATFORM.INPUT_INVALID"),
            "{name}?{query}"
        );
    }
}

#[test]
fn ids_and_remote_ids_find_their_rows_and_both_together_their_intersection() {
    let mut world = world(550, Oddities::NONE);
    let all = records(&world, endpoint("ats/jobs"));
    let live: Vec<_> = all
        .iter()
        .filter(|job| job["remote_deleted_at"].is_null())
        .collect();
    let text = |job: &Value, key: &str| job[key].as_str().expect("a text").to_owned();
    let (a, b) = (live[1], live[3]);
    let by_id = format!("ids={}%2C{},nothing", text(b, "id"), text(a, "id"));
    let (found, next) = rows(&ask(&mut world, "ats/jobs", &by_id));
    assert_eq!(
        (ids(&found), next),
        (vec![&*text(a, "id"), &*text(b, "id")], None)
    );
    let both = format!("{by_id}&remote_ids={}", text(b, "remote_id"));
    let (found, _) = rows(&ask(&mut world, "ats/jobs", &both));
    assert_eq!(ids(&found), [text(b, "id")]);
    let (found, _) = rows(&ask(&mut world, "ats/jobs", "ids=nothing"));
    assert_eq!(found.len(), 0);
}

#[test]
fn an_unknown_id_fails_the_whole_call_where_that_is_asked_for() {
    let mut world = World::new(WorldSettings {
        unknown_ids_fail: true,
        ..WorldSettings::default()
    });
    assert_eq!(ask(&mut world, "ats/jobs", "ids=nothing").status, 404);
}

#[test]
fn the_window_is_shared_by_all_endpoints_of_the_key() {
    let two = NonZeroU32::new(2).expect("not zero");
    let mut world = World::new(WorldSettings {
        rate_limit: Some(RateLimit::per_minute(two)),
        ..WorldSettings::default()
    });
    let left = |answer: &TwinAnswer| {
        ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
            .map(|name| answer.header(name).expect("a header").to_owned())
    };
    assert_eq!(left(&ask(&mut world, "ats/tags", "")), ["2", "1", "60"]);
    world.advance(Duration::from_millis(2_500));
    let second = get(&mut world, "/check-api-key", "", Some("twin-key"), None);
    assert_eq!(
        (second.status, left(&second)),
        (200, ["2", "0", "58"].map(str::to_owned))
    );
    let third = ask(&mut world, "hris/groups", "");
    assert_eq!(
        (third.status, left(&third)),
        (429, ["2", "0", "58"].map(str::to_owned))
    );
    assert_eq!(error_code(&third), "PLATFORM.RATE_LIMIT_EXCEEDED");
    world.advance(Duration::from_millis(57_500));
    assert_eq!(ask(&mut world, "hris/groups", "").status, 200);
}

#[test]
fn an_integration_tells_its_models_and_which_of_them_are_off() {
    let mut world = world(50, Oddities::default());
    let offers = endpoint("ats/offers");
    let id = owner(&world, offers).id().clone();
    let path = format!("/integrations/{}", id.as_str().replace(':', "%3A"));
    let off = Refusal::with_code("INTEGRATION.MODEL_DISABLED");
    world.refuse(&id, Some(offers.name()), off);
    let answer = get(&mut world, &path, "", Some("twin-key"), None);
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(body["data"]["id"], id.as_str());
    assert_eq!(body["data"]["category"], "ATS");
    assert_eq!(body["data"]["setup_status"], "COMPLETED");
    let models = body["data"]["read_models"].as_array().expect("a list");
    for model in models {
        assert_eq!(
            model["is_available"],
            model["id"] != "ats_offers",
            "{model}"
        );
    }
    assert!(models.len() > 10, "{}", models.len());
}

#[test]
fn the_catalogue_of_fields_is_paged() {
    let mut world = world(50, Oddities::default());
    let id = owner(&world, endpoint("hris/groups")).id().clone();
    for part in ["integration-fields", "custom-fields"] {
        let path = format!("/integrations/{id}/{part}");
        let mut found = Vec::new();
        let mut query = "page_size=7".to_owned();
        loop {
            let (page, next) = rows(&get(&mut world, &path, &query, Some("twin-key"), None));
            found.extend(page);
            match next {
                Some(next) => query = format!("page_size=7&cursor={next}"),
                None => break,
            }
        }
        let (whole, _) = rows(&get(
            &mut world,
            &path,
            "page_size=250",
            Some("twin-key"),
            None,
        ));
        assert_eq!(found, whole);
        assert!(found.len() > 7);
    }
}

#[test]
fn integrations_take_turns_through_the_categories_and_keep_their_ids() {
    let names = |integrations| {
        let world = World::new(WorldSettings {
            integrations,
            rows: 10,
            ..WorldSettings::default()
        });
        let all = world.integrations().iter();
        all.map(|one| (one.category().as_str(), one.id().to_string()))
            .collect::<Vec<_>>()
    };
    let five = names(5);
    let categories: Vec<_> = five.iter().map(|(category, _)| *category).collect();
    assert_eq!(categories, ["ats", "hris", "lms", "assessment", "ats"]);
    assert_eq!(names(3), five[..3]);
    assert!(five[0].1 != five[4].1);
    let (tool, rest) = five[0].1.split_once(':').expect("a tool and an id");
    assert!(!tool.is_empty() && rest.len() == 24);
}
