//! Follows the rules of the lease through every order of events.

use lease_model::model::{Lease, ONE_SENDS};
use stateright::{Checker, Model};

/// Two services of which the first one has just claimed the lease.
fn after_a_claim(speeds: [u64; 2]) -> Lease {
    Lease {
        speeds: speeds.to_vec(),
        begins_held: true,
        epochs: 2,
        renewals: 1,
        crashes: 0,
        with_requests: false,
    }
}

/// The most states that a test follows, the ones with the fewest events first. `KOMBO_TEST_LEASE_STATES` sets another number,
/// and prints how many there are.
const STATES: usize = 120_000;

fn checked(model: Lease) -> impl Checker<Lease> {
    let most = std::env::var("KOMBO_TEST_LEASE_STATES").ok();
    let most = most.and_then(|most| most.parse().ok());
    let checker = model.checker().threads(2);
    let checker = checker.target_state_count(5 * most.unwrap_or(STATES));
    let checker = checker.spawn_bfs().join();
    if most.is_some() {
        println!("{} states", checker.unique_state_count());
    }
    checker
}

#[test]
fn two_services_never_send_at_once() {
    // A sixth is the greatest difference of two clocks that the rules promise to bear.
    for speeds in [[15, 15], [13, 15], [15, 13]] {
        checked(after_a_claim(speeds)).assert_properties();
    }
}

#[test]
fn two_services_begin_and_one_crashes() {
    checked(Lease {
        begins_held: false,
        renewals: 0,
        crashes: 1,
        ..after_a_claim([15, 15])
    })
    .assert_properties();
}

#[test]
fn of_three_services_one_sends() {
    checked(Lease {
        speeds: vec![15, 15, 15],
        renewals: 0,
        ..after_a_claim([15, 15])
    })
    .assert_properties();
}

#[test]
fn only_requests_in_flight_overlap() {
    checked(Lease {
        renewals: 0,
        with_requests: true,
        ..after_a_claim([13, 15])
    })
    .assert_properties();
}

/// The model finds what the rules do not promise: a clock that runs at half the speed.
#[test]
fn a_clock_at_half_speed_is_found_out() {
    let checker = checked(after_a_claim([7, 15]));
    assert!(checker.discovery(ONE_SENDS).is_some());
}
