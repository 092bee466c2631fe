//! Weeks of notifications of typical customers, single rules, and random histories compared with a history without
//! rounding.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const INSTANT: Duration = Duration::from_millis(1);
/// A Monday, at midnight.
const START: Moment = Moment::from_millis(1_790_553_600_000);

/// Sends a notification every `every`, from `from` until `until`.
fn notify(rhythm: &mut Rhythm, from: Moment, until: Moment, every: Duration) {
    let mut now = from;
    while now < until {
        rhythm.notified(now);
        now += every;
    }
}

fn up_to(longest: Duration) -> impl Strategy<Value = Duration> {
    (0..u64::try_from(longest.as_millis()).expect("years")).prop_map(Duration::from_millis)
}

fn any_moment() -> impl Strategy<Value = Moment> {
    any::<i64>().prop_map(Moment::from_millis)
}

/// Weeks of a customer who works from nine to six, Monday to Friday. A notification comes every ten minutes of work.
fn office(weeks: u32) -> Vec<Moment> {
    let days = (0..7 * weeks).filter(|day| day % 7 < 5);
    days.flat_map(|day| (9 * 6..18 * 6).map(move |tens| START + day * DAY + tens * 10 * MINUTE))
        .collect()
}

#[test]
fn nights_and_weekends_are_no_silence() {
    let mut rhythm = Rhythm::default();
    for now in office(8) {
        assert_eq!(
            rhythm.suspicion(now),
            None,
            "at {} h",
            now.since(START).as_secs() / 3600
        );
        assert_eq!(rhythm.notified(now), None);
    }
}

#[test]
fn webhooks_that_die_are_missed_within_a_week() {
    let mut rhythm = Rhythm::default();
    let notified = office(3);
    for now in &notified {
        rhythm.notified(*now);
    }
    let last = *notified.last().expect("some");
    assert_eq!(rhythm.suspicion(last + 63 * HOUR), None, "a weekend");
    assert_eq!(
        rhythm.suspicion(last + 7 * DAY),
        Some(Suspicion::Silent { since: last })
    );
}

#[test]
fn a_customer_who_is_heard_all_day_and_night_is_missed_after_six_hours() {
    let mut rhythm = Rhythm::default();
    notify(&mut rhythm, START, START + 8 * DAY, 5 * MINUTE);
    let last = START + 8 * DAY - 5 * MINUTE;
    assert_eq!(rhythm.suspicion(last + 6 * HOUR), None);
    let look = rhythm.next_look(last).expect("silence comes up");
    assert_eq!(look, last + 6 * HOUR + INSTANT);
    assert_eq!(
        rhythm.suspicion(look),
        Some(Suspicion::Silent { since: last })
    );
    assert_eq!(rhythm.next_look(look), None);
}

#[test]
fn the_first_weekend_is_no_silence() {
    let mut rhythm = Rhythm::default();
    notify(&mut rhythm, START, START + DAY, 5 * MINUTE);
    let last = START + DAY - 5 * MINUTE;
    assert_eq!(rhythm.suspicion(last + 72 * HOUR), None);
    assert!(rhythm.suspicion(last + 72 * HOUR + INSTANT).is_some());
}

#[test]
fn an_integration_never_heard_is_not_silent() {
    let mut rhythm = Rhythm::default();
    assert_eq!(rhythm.suspicion(START + 400 * DAY), None);
    assert_eq!(rhythm.next_look(START), None);
    notify(&mut rhythm, START, START + 7 * MINUTE, MINUTE);
    assert_eq!(rhythm.usual_gap(), None, "seven show no rhythm");
    assert_eq!(rhythm.suspicion(START + 400 * DAY), None);
}

#[test]
fn changes_that_nobody_announces_within_the_grace_are_suspicious() {
    let mut rhythm = Rhythm::default();
    rhythm.unannounced(START, 3);
    rhythm.unannounced(START + 4 * MINUTE, 1);
    assert_eq!(rhythm.suspicion(START + 5 * MINUTE - INSTANT), None);
    assert_eq!(rhythm.next_look(START), Some(START + 5 * MINUTE));
    let suspicion = Some(Suspicion::Unannounced { since: START });
    assert_eq!(rhythm.suspicion(START + 5 * MINUTE), suspicion);
    assert_eq!(rhythm.notified(START + HOUR), suspicion, "heard again");
    assert_eq!(rhythm.suspicion(START + HOUR), None);
}

#[test]
fn changes_announced_soon_after_a_heartbeat_found_them_are_not_suspicious() {
    let mut rhythm = Rhythm::default();
    rhythm.unannounced(START, 3);
    assert_eq!(rhythm.notified(START + 4 * MINUTE), None);
    assert_eq!(rhythm.suspicion(START + DAY), None);
}

#[test]
fn a_heartbeat_that_finds_nothing_is_no_sign() {
    let mut rhythm = Rhythm::default();
    rhythm.unannounced(START, 0);
    assert_eq!(rhythm.suspicion(START + DAY), None);
    assert_eq!(rhythm.next_look(START), None);
}

#[test]
fn one_outage_does_not_become_the_rhythm() {
    let mut rhythm = Rhythm::default();
    notify(&mut rhythm, START, START + 14 * DAY, 5 * MINUTE);
    let usual = rhythm.usual_gap();
    let back = START + 40 * DAY;
    assert!(matches!(
        rhythm.notified(back),
        Some(Suspicion::Silent { .. })
    ));
    notify(&mut rhythm, back, back + DAY, 5 * MINUTE);
    assert_eq!(rhythm.usual_gap(), usual);
}

#[test]
fn a_customer_who_slows_down_is_followed_within_weeks() {
    let mut rhythm = Rhythm::default();
    notify(&mut rhythm, START, START + 28 * DAY, 5 * MINUTE);
    notify(&mut rhythm, START + 28 * DAY, START + 70 * DAY, 5 * HOUR);
    assert!(rhythm.usual_gap() >= Some(Duration::from_hours(5)));
    assert!(rhythm.silence() >= Some(Duration::from_hours(40)));
}

#[test]
fn suspects_are_asked_twelve_times_as_often_but_not_all_the_time() {
    let hours = Duration::from_hours;
    assert_eq!(suspicious_period(hours(6)), Duration::from_mins(30));
    assert_eq!(suspicious_period(hours(1)), Duration::from_mins(15));
    assert_eq!(
        suspicious_period(Duration::from_mins(1)),
        Duration::from_mins(1)
    );
}

/// A history that keeps every gap, with weights that are not rounded.
struct Whole {
    gaps: Vec<(Duration, Moment)>,
    last: Moment,
}

impl Whole {
    fn weights(&self) -> impl Iterator<Item = (Duration, f64)> {
        let age = |at: Moment| millis(at.since(START)) / millis(HALF_LIFE);
        let now = age(self.last);
        self.gaps.iter().map(move |(gap, at)| {
            let halvings = i32::try_from(now - age(*at)).expect("few");
            (*gap, gap.as_secs_f64() * 0.5_f64.powi(halvings))
        })
    }

    /// Returns the part of the time that lies in gaps of at most `limit`.
    fn part_below(&self, limit: Duration) -> f64 {
        let all: f64 = self.weights().map(|(_, weight)| weight).sum();
        let below = self.weights().filter(|(gap, _)| *gap <= limit);
        below.map(|(_, weight)| weight).sum::<f64>() / all
    }
}

proptest! {
    #[test]
    fn half_of_the_time_lies_in_gaps_up_to_the_usual_one(
        gaps in prop::collection::vec((1..600_u32, prop_oneof![Just(10 * SECOND), Just(MINUTE), Just(HOUR / 4)]), 8..150),
    ) {
        let (mut rhythm, mut whole) = (Rhythm::default(), Whole { last: START, gaps: Vec::new() });
        rhythm.notified(START);
        for (many, unit) in gaps {
            // A gap beyond the suspicious length counts as just suspicious, by the rule of the rhythm itself.
            let gap = many * unit;
            let limit = rhythm.silence().unwrap_or(Duration::MAX);
            whole.last += gap;
            rhythm.notified(whole.last);
            whole.gaps.push((gap.min(limit), whole.last));
        }
        let usual = rhythm.usual_gap().expect("enough heard");
        prop_assert!(whole.part_below(usual) >= 0.499);
        prop_assert!(usual == MINUTE || whole.part_below(usual / 2) <= 0.501);
    }

    #[test]
    fn a_suspicion_comes_up_when_it_was_said_to(
        steps in prop::collection::vec((0..3_u8, up_to(20 * HOUR)), 1..80), wait in up_to(400 * DAY),
    ) {
        let (mut rhythm, mut now) = (Rhythm::default(), START);
        for (what, after) in steps {
            now += after;
            if what == 0 { rhythm.unannounced(now, 1); } else { rhythm.notified(now); }
        }
        let until = now + wait;
        match rhythm.next_look(now) {
            Some(at) if at <= until => {
                prop_assert_eq!(rhythm.suspicion(at - INSTANT), rhythm.suspicion(now));
                prop_assert!(rhythm.suspicion(at).is_some());
            }
            _ => prop_assert_eq!(rhythm.suspicion(until), rhythm.suspicion(now)),
        }
    }

    #[test]
    fn instants_from_nowhere_are_taken(instants in prop::collection::vec(any_moment(), 0..40), now in any_moment()) {
        let mut rhythm = Rhythm::default();
        for at in instants {
            rhythm.unannounced(at, 1);
            rhythm.notified(at);
        }
        let _known = (rhythm.suspicion(now), rhythm.next_look(now), rhythm.usual_gap());
    }
}
