//! Tests of single steps, and of random steps compared with an agenda that is a plain list.

use proptest::prelude::*;

use super::*;

fn at(ms: i64) -> Moment {
    Moment::from_millis(ms)
}

#[test]
fn a_key_set_again_is_due_once_at_the_later_word() {
    let mut agenda = Agenda::default();
    agenda.set("table", at(10));
    agenda.set("table", at(30));
    assert_eq!(agenda.pop_due(at(20)), None);
    assert_eq!(agenda.next_at(), Some(at(30)));
    assert_eq!(agenda.pop_due(at(30)), Some("table"));
    assert_eq!(agenda.pop_due(Moment::NEVER), None);
    assert!(agenda.is_empty());
}

#[test]
fn what_is_due_comes_the_earliest_first() {
    let mut agenda = Agenda::default();
    for (key, ms) in [("c", 3), ("a", 1), ("b", 3)] {
        agenda.set(key, at(ms));
    }
    let due: Vec<_> = std::iter::from_fn(|| agenda.pop_due(at(3))).collect();
    assert_eq!(due, ["a", "b", "c"]);
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Set(u8, Moment),
    Cancel(u8),
    Pop(Moment),
    DropOdd,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (0..8_u8, 0..40_i64).prop_map(|(key, ms)| Move::Set(key, at(ms))),
        2 => (0..8_u8).prop_map(Move::Cancel),
        4 => (0..40_i64).prop_map(|ms| Move::Pop(at(ms))),
        1 => Just(Move::DropOdd),
    ]
}

/// Pairs of key and instant, in the order in which they were set.
type Plain = Vec<(u8, Moment)>;

fn pop(plain: &mut Plain, now: Moment) -> Option<u8> {
    let due = plain.iter().filter(|(_, at)| *at <= now);
    let (key, _) = *due.min_by_key(|(key, at)| (*at, *key))?;
    plain.retain(|(other, _)| *other != key);
    Some(key)
}

proptest! {
    #[test]
    fn an_agenda_does_what_a_plain_list_does(moves in prop::collection::vec(moves(), 0..200)) {
        let (mut agenda, mut plain) = (Agenda::default(), Plain::new());
        for step in moves {
            match step {
                Move::Set(key, at) => {
                    agenda.set(key, at);
                    plain.retain(|(other, _)| *other != key);
                    plain.push((key, at));
                }
                Move::Cancel(key) => {
                    let found = plain.iter().find(|(other, _)| *other == key).map(|(_, at)| *at);
                    plain.retain(|(other, _)| *other != key);
                    prop_assert_eq!(agenda.cancel(&key), found);
                }
                Move::Pop(now) => prop_assert_eq!(agenda.pop_due(now), pop(&mut plain, now)),
                Move::DropOdd => {
                    agenda.retain(|key| key % 2 == 0);
                    plain.retain(|(key, _)| key % 2 == 0);
                }
            }
            prop_assert_eq!(agenda.len(), plain.len());
            prop_assert_eq!(agenda.next_at(), plain.iter().map(|(_, at)| *at).min());
            for (key, at) in &plain {
                prop_assert_eq!(agenda.at(key), Some(*at));
            }
        }
    }
}
