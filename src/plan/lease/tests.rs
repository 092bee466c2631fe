//! The rules of the lease, one by one. `tests/lease_model` joins them.

use std::time::Duration;

use super::*;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn terms() -> LeaseTerms {
    LeaseTerms::new(secs(60))
}

fn held(epoch: u64, number: u64) -> LeaseSign {
    LeaseSign {
        renewal: Renewal { epoch, number },
        terms: terms(),
        is_free: false,
    }
}

fn claim_at(at: u64) -> LeasePut {
    LeasePut {
        renewal: Renewal::claim(1),
        began: secs(at),
    }
}

#[test]
fn a_holder_sends_for_half_of_the_takeover_time_from_before_its_put() {
    let tenure = Tenure::begin(claim_at(100), terms());
    assert!(tenure.may_send(secs(129)));
    assert!(!tenure.may_send(secs(130)));
}

#[test]
fn a_renewal_counts_from_its_beginning_and_begins_within_a_third() {
    let mut tenure = Tenure::begin(claim_at(100), terms());
    let put = tenure.next(secs(119)).expect("young enough");
    assert_eq!(
        put.renewal,
        Renewal {
            epoch: 1,
            number: 1
        }
    );
    tenure.renewed(put);
    assert_eq!(tenure.sends_until(), secs(149));
    assert_eq!(tenure.next(secs(139)), None);
}

#[test]
fn each_attempt_has_a_name_of_its_own_and_an_older_one_shortens_nothing() {
    let mut tenure = Tenure::begin(claim_at(100), terms());
    let first = tenure.next(secs(105)).expect("young enough");
    let second = tenure.next(secs(110)).expect("young enough");
    assert!(first.renewal < second.renewal);
    tenure.renewed(second);
    tenure.renewed(first);
    assert_eq!(tenure.sends_until(), secs(140));
}

#[test]
fn an_empty_folder_is_claimed_at_once() {
    let mut watch = LeaseWatch::begin(secs(0), terms());
    assert_eq!(watch.saw(None, secs(1), secs(2)), WatchStep::Claim(1));
}

#[test]
fn a_silent_holder_is_replaced_a_takeover_time_after_it_was_first_seen() {
    let mut watch = LeaseWatch::begin(secs(0), terms());
    let seen = Some(held(7, 3));
    // Counted from the answer, and the question of the last listing decides.
    assert_eq!(
        watch.saw(seen, secs(100), secs(110)),
        WatchStep::Wait(secs(70))
    );
    assert_eq!(
        watch.saw(seen, secs(169), secs(999)),
        WatchStep::Wait(secs(1))
    );
    assert_eq!(watch.saw(seen, secs(170), secs(170)), WatchStep::Claim(8));
}

#[test]
fn a_renewal_begins_the_wait_again() {
    let mut watch = LeaseWatch::begin(secs(0), terms());
    watch.saw(Some(held(7, 3)), secs(0), secs(0));
    let step = watch.saw(Some(held(7, 4)), secs(59), secs(60));
    assert_eq!(step, WatchStep::Wait(secs(61)));
}

#[test]
fn a_listing_from_an_old_state_neither_claims_nor_begins_again() {
    let mut watch = LeaseWatch::begin(secs(0), terms());
    watch.saw(Some(held(7, 3)), secs(0), secs(0));
    for stale in [None, Some(held(7, 2)), Some(held(6, 9))] {
        let step = watch.saw(stale, secs(90), secs(90));
        assert!(matches!(step, WatchStep::Wait(_)), "{stale:?}");
    }
    let step = watch.saw(Some(held(7, 3)), secs(90), secs(90));
    assert_eq!(step, WatchStep::Claim(8));
}

#[test]
fn a_lease_that_nobody_sends_by_is_claimed_at_once() {
    let mut watch = LeaseWatch::begin(secs(0), terms());
    let free = LeaseSign {
        is_free: true,
        ..held(7, 3)
    };
    assert_eq!(watch.saw(Some(free), secs(1), secs(1)), WatchStep::Claim(8));
}

#[test]
fn the_longer_one_of_both_takeover_times_counts() {
    let mut watch = LeaseWatch::begin(secs(0), LeaseTerms::new(secs(2)));
    let seen = Some(held(7, 3));
    watch.saw(seen, secs(0), secs(0));
    assert_eq!(
        watch.saw(seen, secs(59), secs(59)),
        WatchStep::Wait(secs(1))
    );
}
