//! Appends plain values: names, amounts, instants, free JSON.

use std::time::Duration;

use super::blueprint::DAY;
use super::customer::{Customer, Subject, within};
use super::hash::{below, choose, mix, percent};
use super::identity::push_id;
use super::plain::{AddressPart, Free, InstantKind, Plain, Wording};
use super::settings::Oddities;
use super::text::{
    push_all, push_date, push_decimal, push_midnight, push_number, push_timestamp, quoted,
};
use super::town::TOWNS;
use super::words::{FIRST_NAMES, KEYS, LAST_NAMES, PLAIN, SENTENCES};
use crate::time::Moment;

/// A value that no version of the schema has.
const UNKNOWN: &str = "SOMETHING_NEW";

/// Appends a value.
pub(super) fn push(
    out: &mut String,
    value: &Plain,
    customer: &Customer,
    oddities: Oddities,
    name: u64,
    subject: Subject,
) {
    let roll = mix(subject.salt, name);
    match value {
        Plain::Constant(json) => out.push_str(json),
        Plain::Choice(choice) => match customer.pick(choice, subject, roll) {
            Some(_) if oddities.unknown_enum_values && percent(1, mix(roll, 1)) => {
                out.push_str(&quoted(UNKNOWN));
            }
            Some(place) => out.push_str(choice.text(place)),
            None => out.push_str(&quoted(choose(choice.foreign, mix(roll, 2)))),
        },
        Plain::InTurns(texts) => {
            let turn = subject.index % u64::try_from(texts.len()).expect("a short list");
            out.push_str(&texts[usize::try_from(turn).expect("below the length of a list")]);
        }
        Plain::Text(text) => {
            out.push('"');
            push_text(out, *text, roll, subject);
            out.push('"');
        }
        Plain::Whole(most) => push_number(out, below(most + 1, roll)),
        Plain::Number(least, most, decimals) => push_measure(out, *least, *most, *decimals, roll),
        Plain::Flag => out.push_str(if percent(50, roll) { "true" } else { "false" }),
        Plain::Instant(moment) => push_timestamp(out, instant(*moment, customer, roll, subject)),
        Plain::Day(moment) => push_date(out, instant(*moment, customer, roll, subject)),
        Plain::Midnight(moment) => push_midnight(out, instant(*moment, customer, roll, subject)),
        Plain::Free(free) => push_free(out, *free, roll, 0),
    }
}

/// Appends a number. Half of the numbers are integers, because people round.
fn push_measure(out: &mut String, least: u64, most: u64, decimals: u32, roll: u64) {
    let scale = 10_u64.pow(decimals);
    let mut units = least * scale + below((most - least) * scale + 1, roll);
    if percent(50, mix(roll, 4)) {
        units -= units % scale;
    }
    push_decimal(out, units, decimals);
}

fn push_text(out: &mut String, text: Wording, roll: u64, subject: Subject) {
    let first = choose(FIRST_NAMES, mix(subject.owner, 31));
    let last = choose(LAST_NAMES, mix(subject.owner, 32));
    match text {
        Wording::FirstName => out.push_str(first.0),
        Wording::LastName => out.push_str(last.0),
        Wording::FullName => push_all(out, [first.0, " ", last.0]),
        Wording::Email(domain) => {
            push_all(out, [first.1, ".", last.1]);
            push_number(out, subject.index);
            push_all(out, ["@", domain]);
        }
        Wording::Username => push_all(out, [first.1, ".", last.1]),
        Wording::OneOf(words) => out.push_str(choose(words, roll)),
        Wording::Prose(words, most) => {
            for nth in 0..=below(most, roll) {
                out.push_str(choose(words, mix(roll, nth)));
            }
        }
        Wording::Pattern(pattern) => push_pattern(out, pattern, roll),
        Wording::Link(start) => {
            out.push_str(start);
            push_number(out, below(100_000_000, roll));
        }
        Wording::LooseId => push_id(out, roll, 0),
        Wording::Address(part) => push_address(out, part, subject),
    }
}

fn push_address(out: &mut String, part: AddressPart, subject: Subject) {
    let town = choose(TOWNS, mix(subject.salt, 34));
    match part {
        AddressPart::City => out.push_str(town.city),
        AddressPart::State => out.push_str(town.state),
        AddressPart::Country => out.push_str(town.country),
        AddressPart::Street => out.push_str(town.street),
        AddressPart::Line => push_all(out, [town.street, ", ", town.city]),
    }
}

fn push_pattern(out: &mut String, pattern: &str, roll: u64) {
    for (letter, nth) in pattern.chars().zip(0..) {
        let (first, many) = match letter {
            '#' => (b'0', 10),
            '@' => (b'A', 26),
            other => {
                out.push(other);
                continue;
            }
        };
        let place = u8::try_from(below(many, mix(roll, nth))).expect("a digit or a letter");
        out.push(char::from(first + place));
    }
}

fn instant(kind: InstantKind, customer: &Customer, roll: u64, subject: Subject) -> Moment {
    let life = customer.lifespan(subject);
    let created = life.created;
    // The parts of a record agree on when it began.
    let began = |span| created + within(span, mix(subject.owner, 33));
    let first_day = || began(life.length().min(30 * DAY));
    let until_settled = |from: Moment| from + within(life.settled.since(from), roll);
    match kind {
        InstantKind::Created => created,
        InstantKind::Updated => {
            let lived = customer.changed(subject).since(created);
            created + within(lived.max(Duration::from_millis(1)), roll)
        }
        InstantKind::Past => began(life.length()),
        InstantKind::PastEnd => until_settled(began(life.length())),
        InstantKind::FirstDay if customer.is_starting(subject) => began(30 * DAY) + 15 * DAY,
        InstantKind::Early | InstantKind::FirstDay => first_day(),
        InstantKind::LastDay => until_settled(first_day()),
        InstantKind::Planned { days } => began(days * DAY),
        InstantKind::After {
            days,
            least_mins,
            most_mins,
        } => {
            let range = Duration::from_mins(most_mins - least_mins);
            began(days * DAY) + Duration::from_mins(least_mins) + within(range, roll)
        }
        InstantKind::Birth => Moment::default() - 15 * 365 * DAY + within(50 * 365 * DAY, roll),
    }
}

fn push_free(out: &mut String, free: Free, roll: u64, depth: u64) {
    match free {
        Free::Custom => {
            out.push('{');
            for nth in 0..below(4, roll) {
                let roll = mix(roll, nth);
                let before = if nth > 0 { ",\"" } else { "\"" };
                push_all(out, [before, choose(KEYS, roll), "_"]);
                push_number(out, nth);
                out.push_str("\":");
                push_free(out, Free::Any, mix(roll, 1), depth + 1);
            }
            out.push('}');
        }
        Free::Remote => {
            out.push_str("{\"/v2/records/");
            push_number(out, below(1_000_000, roll));
            out.push_str("\":{\"status\":\"aktiv\",\"tags\":[],\"score\":0.97,\"raw\":");
            push_free(out, Free::Any, mix(roll, 1), depth + 1);
            out.push_str("}}");
        }
        Free::Options => out.push_str(if percent(50, roll) {
            "[true]"
        } else {
            "[\"o1\",\"o2\"]"
        }),
        Free::Any => push_any(out, roll, depth),
    }
}

fn push_any(out: &mut String, roll: u64, depth: u64) {
    let next = mix(roll, 5);
    match below(if depth > 3 { 7 } else { 10 }, roll) {
        0 => out.push_str("null"),
        1 => out.push_str(if percent(50, next) { "true" } else { "false" }),
        // More digits than a double holds. The program must keep the text of free JSON.
        2 => out.push_str("12345678901234567891"),
        3 => push_decimal(out, below(1_000_000, next), 3),
        4 => push_all(out, ["\"", choose(SENTENCES, next), "\""]),
        5..=6 => push_all(out, ["\"", choose(PLAIN, next), "\""]),
        7 => out.push_str("{}"),
        8 => {
            out.push('[');
            push_any(out, next, depth + 1);
            out.push(',');
            push_any(out, mix(next, 1), depth + 1);
            out.push(']');
        }
        _ => push_free(out, Free::Custom, next, depth + 1),
    }
}
