//! Tests of the budget, in virtual time, against servers that count in different ways. Then tests of the waiting
//! itself.

mod ledger;
mod pace;
mod shell;
mod simulation;

use std::time::Duration;

use super::budget::Budget;
use super::{RateHeaders, Told};
use crate::api::{ApiSettings, WaitReason};
use crate::fetch::Lane;
use simulation::{Bucket, FixedWindows, Outcome, Rounding, Server, Silent, Simulation};

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

fn thirty_walks(server: impl Server, settings: &ApiSettings, seed: u64) -> Outcome {
    thirty_walks_in(Lane::Backfill, server, settings, seed)
}

fn thirty_walks_in(lane: Lane, server: impl Server, settings: &ApiSettings, seed: u64) -> Outcome {
    let mut simulation = Simulation::new(server, settings, seed);
    for walk in 0..30 {
        simulation.add_walk(lane, &format!("tool:{walk}"));
    }
    simulation.run(minutes(10))
}

/// Windows that a client could have used completely: all but the first and the last window of the run.
fn least_use(outcome: &Outcome, limit: usize) -> f64 {
    let windows = outcome.per_window(Duration::from_mins(1));
    let whole = &windows[1..windows.len() - 1];
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let uses = whole.iter().map(|count| *count as f64 / limit as f64);
    uses.fold(f64::INFINITY, f64::min)
}

#[test]
fn fixed_windows_are_used_to_95_percent_without_one_refusal() {
    let mut least = f64::INFINITY;
    for rounding in [Rounding::Floor, Rounding::Nearest, Rounding::Ceil] {
        for concurrency in [2, 4, 30] {
            for seed in 0..5 {
                let settings = ApiSettings {
                    concurrency: concurrency.try_into().expect("not zero"),
                    ..ApiSettings::default()
                };
                let server = FixedWindows::new(300, rounding);
                let outcome = thirty_walks(server, &settings, seed);
                assert_eq!(
                    outcome.refused(),
                    0,
                    "{rounding:?}, {concurrency} at once, seed {seed}"
                );
                let used = least_use(&outcome, 300);
                assert!(
                    used >= 0.95,
                    "{rounding:?}, {concurrency} at once, seed {seed}: {used}"
                );
                least = least.min(used);
            }
        }
    }
    println!("least use of a window: {least}");
}

#[test]
fn windows_of_any_length_and_beginning_are_kept() {
    for (limit, length_ms) in [(300, 60_000), (50, 10_000), (25, 5_000), (5, 1_000)] {
        for begins_with_request in [false, true] {
            for rounding in [Rounding::Floor, Rounding::Nearest, Rounding::Ceil] {
                let mut server = FixedWindows::new(limit, rounding);
                (server.length_ms, server.begins_with_request) = (length_ms, begins_with_request);
                let outcome = thirty_walks(server, &ApiSettings::default(), 12);
                let case = format!("{limit} in {length_ms} ms, {rounding:?}");
                assert_eq!(outcome.refused(), 0, "{case}");
                // 300 requests per minute for ten minutes. Whole seconds are too coarse for windows of a few seconds.
                let least = if length_ms >= 60_000 { 2_850 } else { 1_000 };
                assert!(outcome.sent() >= least, "{case}: {}", outcome.sent());
            }
        }
    }
}

#[test]
fn a_smaller_window_than_configured_is_spread_and_used() {
    let server = FixedWindows::new(100, Rounding::Floor);
    let outcome = thirty_walks_in(Lane::Snapshot, server, &ApiSettings::default(), 1);
    assert_eq!(outcome.refused(), 0);
    assert!(least_use(&outcome, 100) >= 0.95);
    assert!(
        outcome.longest_pause(None) < Duration::from_secs(10),
        "a notification must not wait for the next window: {:?}",
        outcome.longest_pause(None)
    );
}

#[test]
fn the_configured_rate_binds_where_the_server_offers_more() {
    for limit in [301, 1_000, 100_000] {
        let server = FixedWindows::new(limit, Rounding::Floor);
        let outcome = thirty_walks(server, &ApiSettings::default(), 2);
        assert_eq!(outcome.refused(), 0);
        let most = outcome.most_within(Duration::from_mins(1));
        assert!((285..=300).contains(&most), "{most}");
    }
}

#[test]
fn a_bucket_that_refills_is_used_to_95_percent_without_one_refusal() {
    for capacity in [5, 30, 300] {
        for seed in 0..5 {
            let outcome = thirty_walks(Bucket::new(capacity, 5.0), &ApiSettings::default(), seed);
            assert_eq!(outcome.refused(), 0, "capacity {capacity}, seed {seed}");
            let used = least_use(&outcome, 300);
            assert!(used >= 0.95, "capacity {capacity}, seed {seed}: {used}");
        }
    }
}

#[test]
fn a_stranger_on_the_same_key_is_given_way() {
    for seed in 0..5 {
        let mut server = FixedWindows::new(300, Rounding::Floor);
        server.strangers_per_minute = 120;
        let outcome = thirty_walks(server, &ApiSettings::default(), seed);
        // Nobody can know which client takes the last place, so one refusal per window is allowed.
        assert!(outcome.refused() <= 10, "{}", outcome.refused());
        assert!(outcome.none_left_while_refused(), "seed {seed}");
        let used = least_use(&outcome, 180);
        assert!(used >= 0.95, "seed {seed}: {used}");
    }
}

#[test]
fn without_headers_the_configured_rate_is_kept_in_every_minute() {
    let outcome = thirty_walks(Silent, &ApiSettings::default(), 3);
    let most = outcome.most_within(Duration::from_mins(1));
    assert!((285..=300).contains(&most), "{most}");
}

/// A server whose every answer says something different.
struct Liar(Vec<RateHeaders>);

impl Server for Liar {
    fn answer(&mut self, _: Duration) -> (u16, RateHeaders) {
        self.0.rotate_left(1);
        (200, self.0[0])
    }
}

fn headers(limit: u64, remaining: u64, reset: u64) -> RateHeaders {
    RateHeaders {
        limit: Some(limit),
        remaining: Some(remaining),
        reset: Some(Told::of(Duration::from_secs(reset))),
        retry_after: None,
    }
}

#[test]
fn lies_neither_stop_the_client_nor_make_it_faster_than_configured() {
    let absent = RateHeaders::default();
    let lies = [
        vec![headers(300, 299, 60)],
        vec![headers(300, 10, 0)],
        vec![headers(300, 10, 1_000_000_000)],
        vec![headers(300, 100_000, 60), headers(300, 5, 60)],
        vec![headers(u64::MAX, u64::MAX, u64::MAX)],
        vec![headers(300, 200, 60), absent],
        vec![headers(0, 0, 0)],
        vec![headers(0, 7, 1)],
    ];
    for lie in lies {
        let outcome = thirty_walks(Liar(lie.clone()), &ApiSettings::default(), 4);
        let most = outcome.most_within(Duration::from_mins(1));
        assert!(most <= 315, "{lie:?}: {most}");
        assert!(outcome.sent() > 100, "{lie:?}: {}", outcome.sent());
    }
}

/// A server that refuses every n-th request and asks the client to wait.
struct Refusing {
    every: u32,
    seen: u32,
    headers: RateHeaders,
}

impl Server for Refusing {
    fn answer(&mut self, _: Duration) -> (u16, RateHeaders) {
        self.seen += 1;
        if self.seen.is_multiple_of(self.every) {
            (429, self.headers)
        } else {
            (200, RateHeaders::default())
        }
    }
}

#[test]
fn a_refusal_holds_the_whole_key_for_as_long_as_it_says() {
    let asked = RateHeaders {
        retry_after: Some(Told::of(Duration::from_secs(20))),
        ..RateHeaders::default()
    };
    let reset = RateHeaders {
        remaining: Some(0),
        reset: Some(Told::of(Duration::from_secs(57))),
        ..RateHeaders::default()
    };
    for (headers, least) in [(asked, 20), (reset, 57), (RateHeaders::default(), 1)] {
        let server = Refusing {
            every: 40,
            seen: 0,
            headers,
        };
        let outcome = thirty_walks(server, &ApiSettings::default(), 5);
        assert!(outcome.refused() > 3);
        let waited = outcome.shortest_pause_after_refusal();
        assert!(waited >= Duration::from_secs(least), "{waited:?}");
        assert!(waited < Duration::from_secs(least + 3), "{waited:?}");
    }
}

#[test]
fn a_refusal_with_an_implausible_time_holds_for_the_configured_window_and_longer_each_time() {
    let headers = RateHeaders {
        retry_after: Some(Told::Implausible),
        ..RateHeaders::default()
    };
    let settings = ApiSettings::default();
    let mut budget = Budget::new(&settings);
    let (mut now, mut waits) = (Duration::ZERO, Vec::new());
    for _ in 0..6 {
        budget.join(Lane::Backfill, None, now);
        let (grants, _) = budget.serve(now);
        budget.answer(grants[0].sent, now, headers, 429);
        budget.finish();
        let wait = budget.view(now).wait.expect("refused");
        assert_eq!(wait.reason, WaitReason::RateLimitWithoutTime);
        waits.push(wait.left.as_secs());
        now += wait.left;
    }
    assert_eq!(waits, [60, 120, 240, 480, 900, 900]);
}

#[test]
fn refusals_without_a_word_are_met_with_growing_waits() {
    let server = Refusing {
        every: 1,
        seen: 0,
        headers: RateHeaders::default(),
    };
    let outcome = thirty_walks(server, &ApiSettings::default(), 6);
    // The waits are 1, 2, 4, ... 60 seconds.
    assert!((10..20).contains(&outcome.sent()), "{}", outcome.sent());
}

#[test]
fn a_limit_switched_off_leaves_only_the_concurrency() {
    let settings = ApiSettings {
        rate_limit_enabled: false,
        ..ApiSettings::default()
    };
    let outcome = thirty_walks(Silent, &settings, 7);
    assert!(outcome.sent() > 10_000, "{}", outcome.sent());
    assert_eq!(outcome.most_at_once(), 4);
}

#[test]
fn answers_lost_on_the_way_cost_no_refusal() {
    let mut simulation = Simulation::new(
        FixedWindows::new(300, Rounding::Ceil),
        &ApiSettings::default(),
        8,
    );
    simulation.lose_percent = 10;
    for walk in 0..30 {
        simulation.add_walk(Lane::Backfill, &format!("tool:{walk}"));
    }
    let outcome = simulation.run(minutes(10));
    assert_eq!(outcome.refused(), 0);
    assert!(least_use(&outcome, 300) >= 0.85);
}

#[test]
fn the_lanes_get_their_shares_and_integrations_theirs() {
    let mut simulation = Simulation::new(
        FixedWindows::new(300, Rounding::Floor),
        &ApiSettings::default(),
        9,
    );
    for walk in 0..20 {
        // One integration with many tables, and nine integrations with one table each.
        let id = if walk < 11 { 0 } else { walk };
        simulation.add_walk(Lane::CatchUp, &format!("tool:{id}"));
        simulation.add_walk(Lane::Snapshot, &format!("tool:{walk}"));
        simulation.add_walk(Lane::Backfill, &format!("tool:{walk}"));
    }
    let outcome = simulation.run(minutes(10));
    let share = |lane| outcome.share_of(lane);
    assert!((0.74..=0.76).contains(&share(Lane::CatchUp)));
    assert!((0.24..=0.26).contains(&share(Lane::Snapshot)));
    let served = outcome.served_by_owner(Lane::CatchUp);
    let (least, most) = (served.iter().min(), served.iter().max());
    let (least, most) = (least.expect("some"), most.expect("some"));
    assert_eq!(served.len(), 10);
    assert!(most - least <= most / 10, "{served:?}");
}

#[test]
fn notifications_come_first_and_snapshots_keep_a_fifth() {
    let mut simulation = Simulation::new(
        FixedWindows::new(300, Rounding::Floor),
        &ApiSettings::default(),
        10,
    );
    for walk in 0..20 {
        for lane in [
            Lane::Notified,
            Lane::CatchUp,
            Lane::Snapshot,
            Lane::Backfill,
        ] {
            simulation.add_walk(lane, &format!("tool:{walk}"));
        }
    }
    let outcome = simulation.run(minutes(10));
    assert!((0.79..=0.81).contains(&outcome.share_of(Lane::Notified)));
    assert!((0.19..=0.21).contains(&outcome.share_of(Lane::Snapshot)));
}

#[test]
fn at_a_crawl_a_snapshot_still_gets_a_page_every_half_minute() {
    // The budget is 6 requests per minute. A fifth of that would be one page every 50 s.
    let settings = ApiSettings {
        rate_limit_num: 6.try_into().expect("not zero"),
        ..ApiSettings::default()
    };
    let mut simulation = Simulation::new(Silent, &settings, 11);
    for walk in 0..5 {
        simulation.add_walk(Lane::Notified, &format!("tool:{walk}"));
        simulation.add_walk(Lane::Snapshot, &format!("tool:{walk}"));
    }
    let outcome = simulation.run(minutes(10));
    let longest = outcome.longest_pause(Some(Lane::Snapshot));
    assert!(longest <= Duration::from_secs(41), "{longest:?}");
    assert!(outcome.share_of(Lane::Notified) > 0.6);
}
