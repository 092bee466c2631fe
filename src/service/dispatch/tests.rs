//! How the dispatcher reacts to webhooks, to ended fetches and to passing time.

use super::notified::NOTIFIED_GAP;
use super::*;
use crate::catalog::Catalog;
use crate::customer::EndUser;
use crate::ids::{Category, EnvironmentId};
use crate::plan::{PlanMode, Standing};
use crate::service::{FailedFetch, Fetching};
use crate::sink::Coverage;
use crate::time::{Base, Tier, millis};
use crate::webhook::{Webhook, preview};

mod alarm;
mod candidates;
mod clocks;
mod deleted;
mod deletion;
mod forgotten;
mod hearsay;
mod intervals;
mod isolation;
mod lateness;
mod parking;
mod reload;
mod restarts;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const NOON: i64 = 1_767_600_000_000;

fn at(ms: i64) -> Moment {
    Moment::from_millis(ms)
}

/// A dispatcher with a clock, and a sink that accepts everything.
struct Desk {
    dispatch: Dispatch,
    now_ms: i64,
}

fn rules(endpoints: &[&str]) -> Rules {
    let catalog = Catalog::embedded();
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|name| Arc::clone(catalog.find(name).expect("an endpoint")))
        .collect();
    Rules {
        planner: Planner::new(catalog, endpoints.clone(), PlanMode::Changed),
        endpoints,
        only: None,
        schedule: Schedule::DEFAULT,
        expects_webhooks: true,
        budget: None,
    }
}

fn id(name: &str) -> IntegrationId {
    IntegrationId::new(&format!("tool:{name}")).expect("an id")
}

fn table(integration: &str, endpoint: &str) -> TableId {
    let endpoint = Catalog::embedded().find(endpoint).expect("an endpoint");
    TableId {
        integration: id(integration),
        endpoint: endpoint.name().clone(),
    }
}

fn registration(name: &str, state: &str) -> Registration {
    Registration {
        integration: id(name),
        category: Category::Ats,
        origin: "webhook".to_owned(),
        state: state.to_owned(),
        since_ms: 0,
        state_since_ms: Some(0),
        not_found_since_ms: None,
        environment: None,
        end_user: EndUser::default(),
    }
}

fn covered_until(base_ms: i64) -> Coverage {
    let mut coverage = Coverage::default();
    for tier in Tier::ALL {
        coverage.bases.raise(tier, Base::from_millis(base_ms));
    }
    coverage.snapshot_base = Some(Base::from_millis(base_ms));
    coverage
}

fn changed(integration: &str, models: &[&str]) -> Webhook {
    let models: Vec<_> = models
        .iter()
        .map(|name| format!(r#"{{"name":"{name}"}}"#))
        .collect();
    let body = format!(
        r#"{{"id":"e","type":"data-changed","data":{{"integration_id":"tool:{integration}","integration_category":"ATS",
            "changed_models":[{}]}}}}"#,
        models.join(",")
    );
    preview(body.as_bytes()).expect("a webhook")
}

fn lifecycle(kind: &str, integration: &str, more: &str) -> Webhook {
    let body = format!(
        r#"{{"id":"e","type":"{kind}","data":{{"id":"tool:{integration}","integration_id":"tool:{integration}",
            "category":"ATS","integration_category":"ATS"{more}}}}}"#
    );
    preview(body.as_bytes()).expect("a webhook")
}

impl Desk {
    /// Returns a desk with tables of one known integration, fetched an hour ago.
    fn known(endpoints: &[&str]) -> Self {
        Self::starting(
            rules(endpoints),
            &[registration("a", "active")],
            NOON - HOUR,
        )
    }

    fn starting(rules: Rules, registered: &[Registration], base_ms: i64) -> Self {
        let covered = |_: &TableId| Some(covered_until(base_ms));
        Self {
            dispatch: Dispatch::new(rules, registered, covered, at(NOON)),
            now_ms: NOON,
        }
    }

    fn empty(rules: Rules) -> Self {
        Self {
            dispatch: Dispatch::new(rules, &[], |_| None, at(NOON)),
            now_ms: NOON,
        }
    }

    fn webhook(&mut self, webhook: &Webhook) -> Reaction {
        self.dispatch.webhook(webhook, at(self.now_ms))
    }

    fn next(&mut self) -> Option<Fetching> {
        assert_eq!(self.dispatch.pass(at(self.now_ms)), [], "nothing to ask");
        self.dispatch.next(at(self.now_ms), |_| true)
    }

    fn ended(&mut self, fetching: &Fetching, ended: Ended) -> Option<i64> {
        let answered = self.dispatch.ended(fetching, ended, at(self.now_ms));
        answered.map(millis)
    }

    /// Ends a fetch with success. Its base is the instant at which it started.
    fn covered(&mut self, fetching: &Fetching, changed_rows: Option<u64>) -> Option<i64> {
        let ended = Ended::Covered {
            snapshot: fetching.work.kind == Kind::Snapshot,
            base: Some(Base::from(fetching.started)),
            changed_rows,
            rest_values: 0,
        };
        self.ended(fetching, ended)
    }

    /// Runs what waits, and returns the table, kind and lane of each fetch.
    fn run(&mut self) -> Vec<(String, Kind, Lane)> {
        let mut ran = Vec::new();
        while let Some(fetching) = self.next() {
            let work = &fetching.work;
            ran.push((work.table.endpoint.to_string(), work.kind, work.lane));
            self.covered(&fetching, Some(0));
        }
        ran
    }

    fn passes(&mut self, by_ms: i64) {
        self.now_ms += by_ms;
    }

    /// Advances the clock until something is due, and returns how long that took.
    fn until_due(&mut self) -> i64 {
        let due = self.dispatch.next_due().expect("something is due");
        let due_ms = due.as_millis();
        let passed = due_ms - self.now_ms;
        self.now_ms = due_ms.max(self.now_ms);
        passed
    }
}

#[test]
fn after_a_start_every_table_is_fetched_and_the_announced_ones_first() {
    let mut desk = Desk::known(&["ats/tags", "ats/jobs", "ats/offers"]);
    let foreign = table("b", "ats/tags");
    desk.dispatch.hint(&[table("a", "ats/offers"), foreign]);
    let ran = desk.run();
    assert_eq!(
        ran[0],
        ("ats/offers".to_owned(), Kind::Delta, Lane::Notified)
    );
    let rest: BTreeSet<_> = ran[1..].iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(rest, BTreeSet::from(["ats/jobs", "ats/tags"]));
    assert!(
        ran[1..]
            .iter()
            .all(|(_, kind, lane)| (*kind, *lane) == (Kind::Delta, Lane::CatchUp))
    );
}

#[test]
fn a_table_that_was_never_fetched_begins_with_a_snapshot() {
    let rules = rules(&["ats/tags"]);
    let registered = [registration("a", "active")];
    let mut dispatch = Dispatch::new(rules, &registered, |_| None, at(NOON));
    let work = dispatch.next(at(NOON), |_| true).expect("one waits").work;
    assert_eq!((work.kind, work.lane), (Kind::Snapshot, Lane::Snapshot));
    assert!(dispatch.next(at(NOON), |_| true).is_none(), "and no delta");
}

#[test]
fn a_notification_marks_the_tables_it_concerns_and_the_answer_tells_how_long_it_took() {
    let mut desk = Desk::known(&["ats/tags", "ats/offers"]);
    desk.run();
    desk.passes(MINUTE);
    assert_eq!(desk.webhook(&changed("a", &["ats_offers"])), ACCEPTED);
    let fetching = desk.next().expect("marked");
    assert_eq!(fetching.work.table, table("a", "ats/offers"));
    assert_eq!(fetching.work.lane, Lane::Notified);
    assert!(desk.next().is_none(), "tags are spared");
    desk.passes(1_500);
    assert_eq!(desk.covered(&fetching, Some(1)), Some(1_500));
}

#[test]
fn a_notification_during_a_fetch_brings_another_one() {
    let mut desk = Desk::known(&["ats/offers"]);
    desk.run();
    desk.passes(MINUTE);
    desk.webhook(&changed("a", &["ats_offers"]));
    let first = desk.next().expect("marked");
    desk.passes(10);
    desk.webhook(&changed("a", &["ats_offers"]));
    desk.passes(10);
    assert_eq!(desk.covered(&first, Some(1)), Some(20));
    assert!(desk.next().is_none(), "not at once");
    assert_eq!(desk.until_due(), millis(NOTIFIED_GAP) - 20);
    let second = desk.next().expect("marked again");
    desk.passes(5);
    assert_eq!(desk.covered(&second, Some(1)), Some(9_995));
    assert!(desk.next().is_none());
}

#[test]
fn a_million_replays_cost_a_fetch_every_ten_seconds() {
    let mut desk = Desk::known(&["ats/offers"]);
    desk.run();
    desk.passes(HOUR);
    let webhook = changed("a", &["ats_offers"]);
    let mut fetches = 0;
    for _ in 0..1_000 {
        for _ in 0..1_000 {
            desk.webhook(&webhook);
        }
        fetches += desk.run().len();
        desk.passes(100);
    }
    assert_eq!(fetches, 10, "in a hundred seconds");
}

#[test]
fn integrations_that_are_not_configured_are_acknowledged_and_left_alone() {
    let mut rules = rules(&["ats/tags"]);
    rules.only = Some(HashSet::from([id("a")]));
    let mut desk = Desk::starting(
        rules,
        &[registration("a", "active"), registration("b", "active")],
        NOON,
    );
    assert_eq!(desk.dispatch.tables.len(), 1);
    let ignored = Reaction::Acknowledge("not_configured");
    assert_eq!(desk.webhook(&changed("b", &["ats_tags"])), ignored);
    assert_eq!(
        desk.webhook(&lifecycle("integration-created", "c", "")),
        ignored
    );
    assert!(desk.dispatch.unsaved().is_empty());
}

#[test]
fn a_category_is_found_in_the_models_where_the_webhook_has_a_new_word() {
    let mut desk = Desk::empty(rules(&["ats/tags"]));
    let body = |model: &str| {
        let body = format!(
            r#"{{"id":"e","type":"data-changed","data":{{"integration_id":"tool:x","integration_category":"CRM",
                "changed_models":[{{"name":"{model}"}}]}}}}"#
        );
        preview(body.as_bytes()).expect("a webhook")
    };
    let unknown = Reaction::Acknowledge("unknown_category");
    assert_eq!(desk.webhook(&body("crm_deals")), unknown);
    assert_eq!(desk.webhook(&body("ats_tags")), Reaction::Keep(id("x")));
}

#[test]
fn nested_copies_are_noted_as_stale_until_the_next_snapshot() {
    let mut desk = Desk::known(&["hris/employees", "ats/applications"]);
    desk.run();
    // Applications do not report a change of a job.
    desk.webhook(&changed("a", &["ats_jobs"]));
    assert!(desk.next().is_none(), "a delta would bring nothing");
    let stale = |desk: &Desk| desk.dispatch.tables[&table("a", "ats/applications")].stale_since;
    assert_eq!(stale(&desk), Some(at(NOON)));
    let week = 7 * 24 * HOUR;
    while stale(&desk).is_some() {
        desk.until_due();
        desk.run();
        assert!(desk.now_ms <= NOON + week, "the weekly snapshot ends it");
    }
}

#[test]
fn other_rules_close_tables_and_open_others() {
    let mut desk = Desk::known(&["ats/tags", "ats/jobs"]);
    let running = desk.next().expect("one runs");
    desk.dispatch.adopt(
        rules(&["ats/tags", "ats/offers"]),
        |_| None,
        at(desk.now_ms),
    );
    assert_eq!(desk.dispatch.tables.len(), 2);
    desk.covered(&running, Some(0));
    let ran: BTreeSet<_> = desk.run().into_iter().map(|(name, ..)| name).collect();
    assert!(
        ran.contains("ats/offers") && !ran.contains("ats/jobs"),
        "{ran:?}"
    );
    desk.dispatch.adopt(
        Rules {
            only: Some(HashSet::new()),
            ..rules(&["ats/tags"])
        },
        |_| None,
        at(NOON),
    );
    assert_eq!(
        (desk.dispatch.tables.len(), desk.dispatch.next_due()),
        (0, None)
    );
}
