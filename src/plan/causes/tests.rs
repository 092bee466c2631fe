//! Tests with the real catalog: which tables each model of a webhook affects.

use super::*;
use crate::ids::Category;
use crate::webhook::{Webhook, preview};

fn notification(category: &str, models: &[&str]) -> Notification {
    let models: Vec<_> = models
        .iter()
        .map(|name| format!(r#"{{"name":"{name}"}}"#))
        .collect();
    let body = format!(
        r#"{{"id":"e","type":"data-changed","data":{{"integration_id":"t:1","integration_category":"{category}","changed_models":[{}]}}}}"#,
        models.join(",")
    );
    match preview(body.as_bytes()) {
        Ok(Webhook::DataChanged(notification)) => notification,
        other => panic!("{other:?}"),
    }
}

/// Returns every endpoint except the deprecated ones.
fn defaults() -> Vec<Arc<Endpoint>> {
    let catalog = Catalog::embedded();
    let of = |category| catalog.defaults(category).cloned();
    Category::ALL.into_iter().flat_map(of).collect()
}

fn plan(mode: PlanMode, category: &str, models: &[&str]) -> Plan {
    Planner::new(Catalog::embedded(), defaults(), mode).plan(&notification(category, models))
}

fn fetched(plan: &Plan) -> Vec<String> {
    plan.fetched()
        .map(|step| format!("{} {}", step.action.as_str(), step.endpoint.name()))
        .collect()
}

fn changed(category: &str, models: &[&str]) -> Vec<String> {
    fetched(&plan(PlanMode::Changed, category, models))
}

#[test]
fn a_model_is_fetched_where_it_is_surfaced_and_nowhere_else() {
    assert_eq!(changed("ATS", &["ats_jobs"]), ["delta ats/jobs"]);
    assert_eq!(
        changed("ATS", &["ats_applications"]),
        [
            "delta ats/applications",
            "delta ats/candidates",
            "delta ats/interviews",
            "delta ats/offers"
        ]
    );
}

#[test]
fn where_a_change_is_not_surfaced_nested_copies_are_noted_as_stale() {
    let plan = plan(PlanMode::Changed, "ATS", &["ats_jobs", "ats_offers"]);
    let stale = |name: &str| {
        let step = plan
            .steps
            .iter()
            .find(|s| s.endpoint.name().as_str() == name);
        let step = step.expect(name);
        let stale: Vec<_> = step.stale.iter().map(ModelName::to_string).collect();
        (step.action, stale)
    };
    // The table is fetched for its offers, and its copy of the job is still stale.
    assert_eq!(
        stale("ats/applications"),
        (Action::Delta, vec!["ats_jobs".to_owned()])
    );
    assert_eq!(
        stale("ats/candidates"),
        (Action::Save, vec!["ats_jobs".to_owned()])
    );
    assert_eq!(stale("ats/jobs"), (Action::Delta, vec![]));
    assert_eq!(stale("ats/notes"), (Action::Save, vec![]));
}

#[test]
fn what_kombo_does_not_state_is_fetched() {
    let plan = plan(
        PlanMode::Changed,
        "HRIS",
        &["hris_skill_proficiency_scales"],
    );
    assert_eq!(
        fetched(&plan),
        ["snapshot hris/skills", "delta hris/staffing-entities"]
    );
    let causes: Vec<_> = plan.fetched().flat_map(|step| &step.causes).collect();
    assert!(
        matches!(causes[..], [Cause::Listed(_), Cause::NotStated(_)]),
        "{causes:?}"
    );
    assert!(plan.steps.iter().all(|step| step.stale.is_empty()));
}

#[test]
fn an_unknown_model_is_fetched_everywhere_in_its_category() {
    let all = Catalog::embedded().defaults(Category::Lms).count();
    assert_eq!(changed("LMS", &["lms_badges"]).len(), all);
    assert_eq!(changed("LMS", &["badges"]).len(), all);
    assert_eq!(changed("LMS", &["hris_badges"]), [""; 0]);
}

#[test]
fn a_known_model_at_endpoints_that_are_not_configured_is_not_unknown() {
    let jobs = Catalog::embedded().find("ats/jobs").expect("known");
    let planner = Planner::new(
        Catalog::embedded(),
        vec![Arc::clone(jobs)],
        PlanMode::Changed,
    );
    let plan = planner.plan(&notification("ATS", &["ats_notes"]));
    assert_eq!((plan.steps.len(), plan.fetched().count()), (1, 0));
    assert_eq!(
        plan.steps[0].reason(),
        "the endpoint holds none of the changed models"
    );
}

#[test]
fn an_integration_has_tables_of_its_own_category_only() {
    for mode in [PlanMode::Changed, PlanMode::All] {
        let plan = plan(mode, "HRIS", &["hris_employees", "ats_jobs", "mystery"]);
        assert!(
            plan.steps
                .iter()
                .all(|step| step.endpoint.category == Category::Hris)
        );
    }
}

#[test]
fn a_category_nobody_knows_is_read_from_the_models() {
    assert_eq!(changed("CRM", &["ats_tags"]), ["delta ats/tags"]);
    assert!(plan(PlanMode::All, "CRM", &["crm_deals"]).steps.is_empty());
}

#[test]
fn plan_all_fetches_every_configured_endpoint() {
    let plan = plan(PlanMode::All, "HRIS", &["hris_timesheets"]);
    assert_eq!(plan.fetched().count(), plan.steps.len());
    assert_eq!(
        plan.steps.len(),
        Catalog::embedded().defaults(Category::Hris).count()
    );
}

#[test]
fn a_webhook_that_names_no_model_means_any() {
    let plan = plan(PlanMode::Changed, "ASSESSMENT", &[]);
    assert_eq!(
        fetched(&plan),
        ["snapshot assessment/orders", "snapshot assessment/packages"]
    );
    assert!(plan.fetched().all(|step| step.causes == [Cause::NotSaid]));
}

#[test]
fn a_deprecated_endpoint_is_planned_only_when_configured() {
    let groups = ["delta hris/groups", "delta hris/staffing-entities"];
    assert_eq!(changed("HRIS", &["hris_teams"]), groups);
    let teams = Catalog::embedded().find("hris/teams").expect("known");
    let planner = Planner::new(
        Catalog::embedded(),
        vec![Arc::clone(teams)],
        PlanMode::Changed,
    );
    let plan = planner.plan(&notification("HRIS", &["hris_teams"]));
    assert_eq!(fetched(&plan), ["delta hris/teams"]);
}

#[test]
fn every_step_has_a_reason() {
    for endpoint in Catalog::embedded().endpoints() {
        for link in &endpoint.models {
            for step in plan(PlanMode::Changed, endpoint.category.as_str(), &[&link.name]).steps {
                assert_eq!(step.causes.is_empty(), step.action == Action::Save);
                assert!(!step.reason().is_empty());
            }
        }
    }
}
