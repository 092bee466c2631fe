//! Tests with answers that come late, come out of order, have no rate headers, or belong to another window.

use std::time::Duration;

use super::super::window::{Gate, Ledger};
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
    assert_eq!(ledger.gate(at(0)), Gate::Open);
    let opening = ledger.send(at(0));
    assert_eq!(ledger.gate(at(1)), Gate::Shut(at(10_000)));
    ledger.answer(opening, at(100), told(0, 20), true);
    assert_eq!(ledger.gate(at(200)), Gate::Shut(at(21_100)));
    assert_eq!(ledger.gate(at(21_100)), Gate::Open);
    ledger.send(at(21_100));
    assert!(matches!(ledger.gate(at(21_200)), Gate::Shut(_)));
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
    assert_eq!(ledger.gate(at(4_999)), Gate::Shut(at(5_000)));
    ledger.refuse(at(3_000));
    assert_eq!(ledger.gate(at(4_999)), Gate::Shut(at(5_000)));
    assert_eq!(ledger.gate(at(5_000)), Gate::Open);
    ledger.send(at(5_000));
    assert!(matches!(ledger.gate(at(5_001)), Gate::Shut(_)));
}
