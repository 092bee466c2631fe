//! Tests of how a window is used: to its last request, at once by a one-time load, and by a notification before the rest.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::budget::Budget;
use super::simulation::{FixedWindows, Rounding};
use super::thirty_walks_in;
use crate::api::ApiSettings;
use crate::fetch::Lane;
use crate::ids::IntegrationId;

#[test]
fn the_next_window_is_found_as_soon_as_it_opens() {
    for rounding in [Rounding::Floor, Rounding::Nearest, Rounding::Ceil] {
        for lane in [Lane::Backfill, Lane::Snapshot] {
            for seed in 0..5 {
                let mut server = FixedWindows::new(300, rounding);
                server.begins_with_request = true;
                let outcome = thirty_walks_in(lane, server, &ApiSettings::default(), seed);
                let case = format!("{rounding:?}, {lane:?}, seed {seed}");
                assert_eq!(outcome.refused(), 0, "{case}");
                // The time between two windows is lost here: 0.3 s of a minute at most.
                assert!(outcome.sent() >= 2_985, "{case}: {}", outcome.sent());
            }
        }
    }
}

#[test]
fn a_one_time_load_runs_ahead_within_the_configured_rate() {
    let run = |lane| {
        let server = FixedWindows::new(300, Rounding::Ceil);
        thirty_walks_in(lane, server, &ApiSettings::default(), 3)
    };
    let (load, schedule) = (run(Lane::Backfill), run(Lane::Snapshot));
    let (ahead, even) = (Duration::from_secs(25), Duration::from_mins(1));
    assert!(load.most_within(ahead) >= 200);
    assert!(schedule.most_within(ahead) <= 150);
    assert!(load.most_within(even) <= 300, "the configured rate binds");
}

#[test]
fn a_notification_waits_for_one_request_of_a_load_at_most() {
    let settings = ApiSettings {
        rate_limit_enabled: false,
        concurrency: const { NonZeroU32::new(1).expect("not zero") },
        ..ApiSettings::default()
    };
    let owner = |id: &str| IntegrationId::new(id).ok();
    for lane in [Lane::Backfill, Lane::Snapshot] {
        for before in 1..30 {
            let mut budget = Budget::new(&settings);
            let mut now = Duration::ZERO;
            for _ in 0..100 {
                budget.join(lane, owner("tool:large"), now);
            }
            let mut next = |budget: &mut Budget| {
                budget.finish();
                now += Duration::from_millis(100);
                let (grants, _) = budget.serve(now);
                assert_eq!(grants.len(), 1);
                grants[0].ticket
            };
            for _ in 0..before {
                next(&mut budget);
            }
            let delta = budget.join(Lane::Notified, owner("tool:small"), Duration::ZERO);
            let behind = (0..1_000)
                .take_while(|_| next(&mut budget) != delta)
                .count();
            assert!(behind <= 1, "{lane:?}: behind {behind} requests");
        }
    }
}
