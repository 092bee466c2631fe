//! Tests with answers that come late, come out of order, have no rate headers, or belong to another window.

use std::time::Duration;

use super::super::window::{Gate, Ledger};
use super::super::window_use::WindowUse;
use super::super::{RateHeaders, Told};

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn told(remaining: u64, reset_secs: u64) -> RateHeaders {
    RateHeaders {
        limit: Some(300),
        remaining: Some(remaining),
        reset: Some(Told::of(Duration::from_secs(reset_secs))),
        retry_after: None,
    }
}

/// Returns a ledger with a window that opened at zero.
fn opened(remaining: u64, reset_secs: u64) -> Ledger {
    let mut ledger = Ledger::new(Duration::from_mins(1));
    let opening = ledger.send(at(0));
    ledger.answer(opening, at(0), told(remaining, reset_secs), true);
    ledger
}

#[test]
fn one_lone_request_opens_a_window() {
    let mut ledger = Ledger::new(Duration::from_mins(1));
    assert_eq!(ledger.gate(at(0), WindowUse::Even), Gate::Open);
    let opening = ledger.send(at(0));
    assert_eq!(ledger.gate(at(1), WindowUse::Even), Gate::Shut(at(10_000)));
    ledger.answer(opening, at(100), told(0, 20), true);
    assert_eq!(
        ledger.gate(at(200), WindowUse::Even),
        Gate::Shut(at(21_100))
    );
    assert_eq!(ledger.gate(at(21_100), WindowUse::Even), Gate::Open);
    ledger.send(at(21_100));
    assert!(matches!(
        ledger.gate(at(21_200), WindowUse::Even),
        Gate::Shut(_)
    ));
}

#[test]
fn what_left_before_a_window_opened_may_count_in_it() {
    let mut ledger = Ledger::new(Duration::from_mins(1));
    let slow = ledger.send(at(0));
    let opening = ledger.send(at(10_000));
    ledger.answer(opening, at(10_100), told(5, 50), true);
    assert_eq!(ledger.left(), Some(4));
    ledger.answer(slow, at(10_200), told(6, 50), true);
    assert_eq!(ledger.left(), Some(4));
}

#[test]
fn answers_out_of_order_leave_the_lowest_count() {
    let mut ledger = opened(10, 50);
    let first = ledger.send(at(100));
    let second = ledger.send(at(110));
    assert_eq!(ledger.left(), Some(8));
    ledger.answer(second, at(200), told(8, 50), true);
    assert_eq!(ledger.left(), Some(7));
    ledger.answer(first, at(210), told(9, 50), true);
    assert_eq!(ledger.left(), Some(8));
}

#[test]
fn an_answer_without_headers_or_no_answer_may_have_been_counted() {
    let mut ledger = opened(10, 50);
    let silent = ledger.send(at(100));
    ledger.answer(silent, at(200), RateHeaders::default(), false);
    assert_eq!(ledger.left(), Some(9));
    let lost = ledger.send(at(300));
    ledger.lose(lost);
    assert_eq!(ledger.left(), Some(8));
    let never_left = ledger.send(at(400));
    ledger.unsend(never_left);
    assert_eq!(ledger.left(), Some(8));
}

#[test]
fn an_answer_of_the_next_window_replaces_the_ledger() {
    let mut ledger = opened(10, 2);
    let request = ledger.send(at(1_500));
    ledger.answer(request, at(1_600), told(299, 60), true);
    assert_eq!(ledger.left(), Some(299));
    assert!(ledger.has_fixed_window(at(1_700), 300));
}

#[test]
fn during_a_refusal_no_late_answer_opens_the_gate() {
    let mut ledger = opened(10, 50);
    let late = ledger.send(at(100));
    ledger.refuse(at(5_000));
    ledger.answer(late, at(1_000), told(9, 57), true);
    assert_eq!(ledger.left(), None);
    assert_eq!(
        ledger.gate(at(4_999), WindowUse::Even),
        Gate::Shut(at(5_000))
    );
    ledger.refuse(at(3_000));
    assert_eq!(
        ledger.gate(at(4_999), WindowUse::Even),
        Gate::Shut(at(5_000))
    );
    assert_eq!(ledger.gate(at(5_000), WindowUse::Even), Gate::Open);
    ledger.send(at(5_000));
    assert!(matches!(
        ledger.gate(at(5_001), WindowUse::Even),
        Gate::Shut(_)
    ));
}

#[test]
fn a_tenth_of_a_window_is_no_surplus() {
    for (left, is_surplus) in [(31, true), (30, false)] {
        let ledger = opened(left, 50);
        assert_eq!(ledger.has_surplus(at(100), 300), is_surplus, "{left} left");
    }
}

#[test]
fn the_last_request_is_kept_for_the_end_of_the_window_unless_it_is_urgent() {
    let mut ledger = opened(1, 50);
    // The window ends between 49 and 51 seconds after its opening.
    let probe = Gate::Shut(at(49_200));
    assert_eq!(ledger.gate(at(48_000), WindowUse::Even), probe);
    assert_eq!(ledger.gate(at(48_000), WindowUse::Ahead), probe);
    assert_eq!(ledger.gate(at(48_000), WindowUse::Urgent), Gate::Open);
    assert_eq!(ledger.gate(at(49_200), WindowUse::Even), Gate::Open);
    let probe = ledger.send(at(49_200));
    assert_eq!(
        ledger.gate(at(49_250), WindowUse::Even),
        Gate::Shut(at(51_000))
    );
    ledger.answer(probe, at(49_300), told(299, 60), true);
    assert_eq!(ledger.left(), Some(299));
}
