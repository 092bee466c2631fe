//! Tests of which table is next, and that no table is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::ids::{Category, EndpointName};

const DELTA: Kind = Kind::Delta;
const SNAPSHOT: Kind = Kind::Snapshot;

/// Returns the table with this name: `a1` is table 1 of integration a.
fn table(name: &str) -> TableId {
    let (integration, endpoint) = name.split_at(1);
    TableId {
        integration: IntegrationId::new(&format!("tool:{integration}")).expect("an id"),
        endpoint: EndpointName::new(Category::Ats, endpoint),
    }
}

fn name(table: &TableId) -> String {
    let integration = table.integration.as_str().trim_start_matches("tool:");
    format!(
        "{integration}{}",
        table.endpoint.as_str().trim_start_matches("ats/")
    )
}

fn anywhere(_: Lane) -> bool {
    true
}

/// Takes everything that waits, in order, and hands nothing back.
fn drain(queue: &mut Queue) -> Vec<String> {
    let works = std::iter::from_fn(|| queue.next(anywhere));
    works.map(|work| name(&work.table)).collect()
}

fn notified(names: &[&str]) -> Queue {
    let mut queue = Queue::default();
    for name in names {
        queue.want(&table(name), DELTA, Lane::Notified);
    }
    queue
}

#[test]
fn the_newest_notification_goes_first_and_integrations_take_turns() {
    let mut queue = notified(&["a1", "a2", "a3", "b1", "c1", "c2"]);
    assert_eq!(drain(&mut queue), ["c2", "b1", "a3", "c1", "a2", "a1"]);
}

#[test]
fn a_chatty_integration_keeps_nobody_waiting() {
    let mut queue = notified(&["b1", "a1"]);
    let mut order = Vec::new();
    while let Some(work) = queue.next(anywhere) {
        queue.want(&table("a1"), DELTA, Lane::Notified);
        queue.committed(&work);
        order.push(name(&work.table));
        if order.len() == 4 {
            break;
        }
    }
    assert_eq!(order, ["a1", "b1", "a1", "a1"]);
}

#[test]
fn a_chatty_table_keeps_no_sister_waiting() {
    let mut queue = notified(&["a2", "a1"]);
    for expected in ["a1", "a2", "a1"] {
        queue.want(&table("a1"), DELTA, Lane::Notified);
        let work = queue.next(anywhere).expect("one waits");
        assert_eq!(name(&work.table), expected);
        queue.want(&table("a1"), DELTA, Lane::Notified);
        queue.committed(&work);
    }
}

#[test]
fn a_table_asked_for_many_times_waits_once() {
    let mut queue = notified(&["a1"; 1000]);
    queue.want(&table("a1"), DELTA, Lane::CatchUp);
    assert_eq!(queue.waiting(), 1);
    let work = queue.next(anywhere).expect("one");
    assert_eq!((work.lane, queue.waiting()), (Lane::Notified, 0));
}

#[test]
fn a_more_urgent_sign_moves_a_table_up() {
    let mut queue = Queue::default();
    for name in ["a1", "a2"] {
        queue.want(&table(name), DELTA, Lane::CatchUp);
    }
    queue.want(&table("a1"), DELTA, Lane::Notified);
    assert_eq!(queue.waiting(), 2);
    assert_eq!(drain(&mut queue), ["a1", "a2"]);
}

#[test]
fn a_sign_during_a_fetch_brings_the_table_back_once() {
    let mut queue = notified(&["a1"]);
    let work = queue.next(anywhere).expect("one");
    for _ in 0..3 {
        queue.want(&table("a1"), DELTA, Lane::Notified);
    }
    // Two deltas of one table never run at the same time.
    assert_eq!(queue.next(anywhere), None);
    queue.committed(&work);
    let again = queue.next(anywhere).expect("dirty again");
    queue.committed(&again);
    assert!(!queue.is_dirty(&table("a1")) && queue.next(anywhere).is_none());
}

#[test]
fn a_failed_fetch_stays_dirty_and_waits_for_its_retry() {
    let mut queue = notified(&["a1"]);
    let work = queue.next(anywhere).expect("one");
    queue.failed(&work);
    assert!(queue.is_dirty(&work.table) && queue.next(anywhere).is_none());
    assert!(queue.retry(&work.table, DELTA));
    let work = queue.next(anywhere).expect("one");
    assert_eq!(work.lane, Lane::Notified);
    queue.committed(&work);
    assert!(!queue.retry(&work.table, DELTA));
}

#[test]
fn a_snapshot_runs_beside_a_delta_and_covers_the_signs_before_it() {
    let mut queue = notified(&["a1"]);
    queue.want(&table("a1"), SNAPSHOT, Lane::Snapshot);
    let delta = queue.next(anywhere).expect("delta");
    let snapshot = queue.next(anywhere).expect("snapshot");
    assert_eq!((delta.kind, snapshot.kind), (DELTA, SNAPSHOT));
    queue.failed(&delta);
    queue.retry(&delta.table, DELTA);
    queue.committed(&snapshot);
    assert!(!queue.is_dirty(&table("a1")));
    assert_eq!(queue.waiting(), 0);

    // A sign after the start of the fetch is not covered.
    queue.want(&table("a1"), SNAPSHOT, Lane::Snapshot);
    let snapshot = queue.next(anywhere).expect("snapshot");
    queue.want(&table("a1"), DELTA, Lane::Notified);
    queue.committed(&snapshot);
    assert_eq!(drain(&mut queue), ["a1"]);
}

#[test]
fn every_fifth_fetch_is_a_full_one_while_one_waits() {
    let mut queue = Queue::default();
    for n in 0..20 {
        queue.want(&table(&format!("a{n}")), DELTA, Lane::Notified);
    }
    for n in 0..3 {
        queue.want(&table(&format!("b{n}")), SNAPSHOT, Lane::Snapshot);
    }
    queue.want(&table("c1"), SNAPSHOT, Lane::Backfill);
    let lanes: Vec<_> = std::iter::from_fn(|| queue.next(anywhere))
        .map(|work| work.lane)
        .collect();
    let full: Vec<_> = (1..)
        .zip(&lanes)
        .filter(|(_, lane)| FULL.contains(lane))
        .map(|(n, _)| n)
        .collect();
    assert_eq!((full, lanes[19]), (vec![5, 10, 15, 20], Lane::Backfill));
    assert_eq!(lanes.len(), 24);
}

#[test]
fn a_lane_without_room_is_passed_over() {
    let mut queue = Queue::default();
    queue.want(&table("a1"), SNAPSHOT, Lane::Snapshot);
    queue.want(&table("a2"), DELTA, Lane::CatchUp);
    let deltas = |lane| lane < Lane::Snapshot;
    assert_eq!(
        queue.next(deltas).map(|work| work.lane),
        Some(Lane::CatchUp)
    );
    assert_eq!(queue.next(deltas), None);
    assert!(queue.next(anywhere).is_some());
}

#[test]
fn hints_come_first_and_in_their_order() {
    let mut queue = Queue::default();
    for name in ["a1", "b1", "c1"] {
        queue.want(&table(name), DELTA, Lane::CatchUp);
    }
    let hints = [table("c1"), table("a1")];
    queue.hint(hints.iter());
    assert_eq!(drain(&mut queue), ["c1", "a1", "b1"]);
}

#[test]
fn an_integration_that_left_and_came_back_owes_nothing_to_what_ran_before() {
    let mut queue = notified(&["a1", "a1", "a1", "a2", "b1"]);
    let old = queue.next(anywhere).expect("b1");
    queue.committed(&old);
    let old = queue.next(anywhere).expect("a table of a");
    queue.remove(&old.table.integration);
    assert_eq!((queue.waiting(), queue.is_dirty(&table("a1"))), (0, false));
    queue.want(&old.table, DELTA, Lane::Notified);
    queue.committed(&old);
    assert!(queue.is_dirty(&old.table));
    assert_eq!(queue.waiting(), 1);
}

#[derive(Clone, Debug)]
enum Event {
    Want(u8, bool, u8),
    Next,
    End(usize, bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..6_u8, any::<bool>(), 0..4_u8).prop_map(|(t, full, lane)| Event::Want(t, full, lane)),
        3 => Just(Event::Next),
        2 => (0..6_usize, proptest::bool::weighted(0.7)).prop_map(|(n, well)| Event::End(n, well)),
    ]
}

proptest! {
    #[test]
    fn nothing_is_forgotten_and_nothing_runs_twice_at_once(events in prop::collection::vec(event(), 0..120)) {
        let mut queue = Queue::default();
        let mut running: Vec<(Work, usize)> = Vec::new();
        // When each table was last asked for without a commit that began later.
        let mut owed: BTreeMap<(String, Kind), usize> = BTreeMap::new();
        for (now, event) in events.into_iter().enumerate() {
            match event {
                Event::Want(n, full, lane) => {
                    let kind = if full { SNAPSHOT } else { DELTA };
                    let table = table(["a1", "a2", "a3", "b1", "b2", "c1"][usize::from(n)]);
                    queue.want(&table, kind, Lane::ALL[usize::from(lane)]);
                    owed.insert((name(&table), kind), now);
                }
                Event::Next => {
                    if let Some(work) = queue.next(anywhere) {
                        prop_assert!(!running.iter().any(|(other, _)| (&other.table, other.kind) == (&work.table, work.kind)));
                        running.push((work, now));
                    }
                }
                Event::End(which, well) if which < running.len() => {
                    let (work, began) = running.swap_remove(which);
                    if well {
                        queue.committed(&work);
                        owed.retain(|(table, kind), asked| {
                            let covered = *kind == work.kind || work.kind == SNAPSHOT;
                            !(covered && *table == name(&work.table) && *asked < began)
                        });
                    } else {
                        queue.failed(&work);
                        queue.retry(&work.table, work.kind);
                    }
                }
                Event::End(..) => {}
            }
            let dirty: BTreeSet<_> = owed.keys().map(|(table, _)| table.clone()).collect();
            for name in ["a1", "a2", "a3", "b1", "b2", "c1"] {
                prop_assert_eq!(queue.is_dirty(&table(name)), dirty.contains(name), "{}", name);
            }
        }
        for (work, _) in &running {
            queue.committed(work);
        }
        while let Some(work) = queue.next(anywhere) {
            queue.committed(&work);
        }
        prop_assert_eq!(queue.waiting(), 0);
        prop_assert!(["a1", "a2", "a3", "b1", "b2", "c1"].iter().all(|name| !queue.is_dirty(&table(name))));
    }
}
