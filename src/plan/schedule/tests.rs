//! Many integrations over weeks, and single integrations with random values.

use proptest::prelude::*;

use super::*;
use crate::ids::IntegrationId;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// Some day in 2026.
const START: i64 = 1_790_000_000_000;
const CROWD: usize = 5_000;

const SCHEDULE: Schedule = Schedule::DEFAULT;

fn key(n: usize) -> IntegrationKey {
    IntegrationId::new(&format!("tool:{n}"))
        .expect("an id")
        .key()
}

fn next(key: &IntegrationKey, last: i64, now: i64) -> i64 {
    let next = SCHEDULE.next_snapshot(key, Some(Base::from_millis(last)), None, at(now));
    next.as_millis()
}

fn at(ms: i64) -> Moment {
    Moment::from_millis(ms)
}

/// Returns how many instants fall into each hour after `from`.
fn by_hour(instants: &[i64], from: i64, hours: usize) -> Vec<usize> {
    let mut counts = vec![0; hours];
    for instant in instants {
        let hour = usize::try_from((instant - from) / HOUR).expect("not before");
        counts[hour] += 1;
    }
    counts
}

#[test]
fn thousands_that_started_together_are_spread_over_the_interval() {
    let instants: Vec<_> = (0..CROWD).map(|n| next(&key(n), START, START)).collect();
    let counts = by_hour(&instants, START, 169);
    let fullest = counts.iter().max().expect("hours");
    assert!(*fullest < 2 * CROWD / 168, "{fullest} in one hour");
}

#[test]
fn after_minutes_down_only_those_just_missed_start() {
    let back = START + 10 * MINUTE;
    let due = (0..CROWD).filter(|n| next(&key(*n), START, back) == back);
    let due = due.count();
    // Ten minutes are a thousandth of a week.
    assert!((1..=20).contains(&due), "{due} at once");
}

#[test]
fn after_months_down_nothing_bursts_and_all_have_their_turn_within_a_day() {
    let back = START + 100 * DAY;
    let instants: Vec<_> = (0..CROWD).map(|n| next(&key(n), START, back)).collect();
    let at_once = instants.iter().filter(|at| **at == back).count();
    assert!(at_once < CROWD / 24 * 3 / 2, "{at_once} at once");
    let later: Vec<_> = instants.into_iter().filter(|at| *at > back).collect();
    let fullest = by_hour(&later, back, 25).into_iter().max();
    assert!(
        fullest < Some(CROWD / 24 * 3 / 2),
        "{fullest:?} in one hour"
    );
}

#[test]
fn a_service_that_restarts_every_two_hours_still_takes_its_chances() {
    for n in 0..200 {
        let key = key(n);
        let mut starts = (START + 30 * DAY..).step_by(2 * 3_600_000);
        let fetched = starts.find(|now| next(&key, START, *now) < now + 2 * HOUR);
        assert!(fetched.expect("endless") <= START + 31 * DAY);
    }
}

#[test]
fn a_table_without_a_snapshot_waits_for_nothing() {
    assert_eq!(
        SCHEDULE.next_snapshot(&key(1), None, Some(at(0)), at(START)),
        at(START)
    );
    assert_eq!(next_snapshot_instead(None, at(START)), at(START));
}

#[test]
fn stale_nested_copies_bring_a_snapshot_forward_only_where_it_is_asked_for() {
    let schedule = Schedule {
        nested_refresh: Some(Duration::from_hours(1)),
        ..SCHEDULE
    };
    let last = Some(Base::from_millis(START));
    let far = (0..100)
        .map(key)
        .find(|key| next(key, START, START) > START + DAY);
    let far = far.expect("most are");
    let regular = at(next(&far, START, START));
    assert_eq!(
        SCHEDULE.next_snapshot(&far, last, Some(at(START)), at(START)),
        regular
    );
    assert_eq!(schedule.next_snapshot(&far, last, None, at(START)), regular);
    assert_eq!(
        schedule.next_snapshot(&far, last, Some(at(START)), at(START)),
        at(START + HOUR)
    );
    let late = START + 2 * HOUR;
    assert_eq!(
        schedule.next_snapshot(&far, last, Some(at(START)), at(late)),
        at(late)
    );
}

#[test]
fn a_snapshot_in_place_of_a_delta_keeps_six_hours_apart() {
    let last = Some(Base::from_millis(START));
    assert_eq!(
        next_snapshot_instead(last, at(START + MINUTE)),
        at(START + 6 * HOUR)
    );
    assert_eq!(
        next_snapshot_instead(last, at(START + DAY)),
        at(START + DAY)
    );
}

#[test]
fn heartbeats_are_stretched_when_the_budget_is_too_small() {
    let requests = NonZeroU32::new(300).expect("not zero");
    let minute = Duration::from_mins(1);
    let period = |tables| heartbeat_period(Duration::from_hours(6), tables, requests, minute);
    assert_eq!(period(0), Duration::from_hours(6));
    assert_eq!(period(81_000), Duration::from_hours(6));
    assert_eq!(period(162_000), Duration::from_hours(12));
    assert!(period(u32::MAX) > Duration::from_hours(24));
}

#[test]
fn heartbeats_drift_apart_and_never_come_late() {
    let requests = NonZeroU32::new(300).expect("not zero");
    let period = heartbeat_period(
        Duration::from_hours(6),
        10,
        requests,
        Duration::from_mins(1),
    );
    let last = Some(Base::from_millis(START));
    let due: Vec<_> = (0..100)
        .map(|n| next_heartbeat(period, &key(n), last, at(START)).as_millis())
        .collect();
    let (first, end) = (
        due.iter().min().expect("some"),
        due.iter().max().expect("some"),
    );
    assert!(*first >= START + 5 * HOUR && *end <= START + 6 * HOUR);
    assert!(end - first > 30 * MINUTE);
    assert_eq!(
        next_heartbeat(period, &key(1), last, at(START + DAY)),
        at(START + DAY)
    );
    assert_eq!(next_heartbeat(period, &key(1), None, at(START)), at(START));
}

proptest! {
    #[test]
    fn a_snapshot_is_never_in_the_past_nor_more_than_an_interval_after_the_last(
        n in 0..1000_usize, last in START - 400 * DAY..START + DAY, down in 0..400 * DAY,
    ) {
        let (key, now) = (key(n), last + down);
        let due = next(&key, last, now);
        prop_assert!(due >= now);
        prop_assert!(due > last && due <= (last + WEEK).max(now + DAY));
        // A second call before the returned instant gives the same instant.
        let between = now + (due - now) / 2;
        prop_assert_eq!(next(&key, last, between), if due == now { now } else { due });
    }

    #[test]
    fn a_base_from_nowhere_is_answered_with_some_instant(last: i64, now: i64, stale: Option<i64>) {
        let schedule = Schedule { nested_refresh: Some(Duration::MAX), ..SCHEDULE };
        let base = Some(Base::from_millis(last));
        let (stale, now) = (stale.map(at), at(now));
        prop_assert!(schedule.next_snapshot(&key(1), base, stale, now) >= now);
        prop_assert!(next_snapshot_instead(base, now) >= now);
    }
}
