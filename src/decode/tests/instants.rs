//! Tests of instants in other forms than Kombo's usual one: the column has the instant, `_rest` has the text, and the
//! value is not counted.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, TimestampMicrosecondType};

use super::*;

const AT: i64 = 1_767_323_045_678_000;
const MINUTE: i64 = 60_000_000;

/// Decodes one member of a row. Returns its column, its `_rest`, and the number of values that did not fit.
fn decoded(member: &str) -> (RecordBatch, Option<String>, u64) {
    let (row, mut decoder) = (format!(r#"{{"id":"x",{member}}}"#), decoder());
    let summary = read(&mut decoder, &page_of(&row)).expect("a page");
    let batch = decoder.take_batch().expect("a row");
    let rebuilt = rebuild(&decoder.endpoint, &batch, 0);
    assert_eq!(rebuilt.as_deref(), Ok(&*row), "as it was sent");
    let rest = batch["_rest"].as_string::<i32>();
    let rest = rest.is_valid(0).then(|| rest.value(0).to_owned());
    (batch, rest, summary.rest_values)
}

#[test]
fn an_instant_in_another_form_fills_its_column_and_keeps_its_text_uncounted() {
    for (text, micros) in [
        ("2026-01-02T03:04:05.678000Z", AT),
        ("2026-01-02T03:04:05.678000000Z", AT),
        ("2026-01-02T03:04:05Z", AT - 678_000),
        ("2026-01-02T03:04:00Z", AT - 5_678_000),
        ("2026-01-02T03:04:05.678+00:00", AT),
        ("2026-01-02T05:04:05.678+02:00", AT),
        ("2026-01-01T22:04:05.678-0500", AT),
        ("2026-01-02 03:04:05.678Z", AT),
        ("2026-01-02 03:04:05.678001+00", AT + 1),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),
    ] {
        let (batch, rest, misfits) = decoded(&format!(r#""at":"{text}""#));
        let column = batch["at"].as_primitive::<TimestampMicrosecondType>();
        assert!(column.is_valid(0) && column.value(0) == micros, "{text}");
        assert_eq!(rest, Some(format!(r#"{{"/at":"{text}"}}"#)));
        assert_eq!(misfits, 0, "{text}");
    }
}

#[test]
fn what_is_no_instant_or_too_fine_stays_a_misfit() {
    for text in [
        "2026-01-02T03:04:05.6780001Z",
        "2026-01-02T03:04:05.678",
        "2026-01-02T03:04:60Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:05+24:00",
        "9999-12-31T23:59:59-01:00",
        "2026-02-29T03:04:05Z",
    ] {
        let (batch, rest, misfits) = decoded(&format!(r#""at":"{text}""#));
        assert!(batch["at"].is_null(0), "{text}");
        assert_eq!(rest, Some(format!(r#"{{"/at":"{text}"}}"#)));
        assert_eq!(misfits, 1, "{text}");
    }
}

#[test]
fn a_day_that_is_sent_as_midnight_in_another_form_fills_its_column() {
    for (text, day) in [
        ("2026-01-02T00:00:00.000Z", true),
        ("2026-01-02T00:00:00Z", true),
        ("2026-01-02 00:00:00.000000+00:00", true),
        ("2026-01-02T02:00:00+02:00", true),
        ("2026-01-02T00:00:00+02:00", false),
        ("2026-01-02T00:00:01Z", false),
        ("2026-01-02", false),
    ] {
        let (batch, rest, misfits) = decoded(&format!(r#""midnight":"{text}""#));
        let column = batch["midnight"].as_primitive::<Date32Type>();
        let found = column.is_valid(0).then(|| column.value(0));
        assert_eq!(found, day.then_some(20_455), "{text}");
        assert_eq!(misfits, u64::from(!day), "{text}");
        assert_eq!(rest.is_none(), text.ends_with("T00:00:00.000Z"), "{text}");
    }
}

#[test]
fn of_two_keys_with_the_same_instant_each_comes_back_in_its_own_form() {
    let (usual, other) = (r#""2026-01-02T03:04:05.000Z""#, r#""2026-01-02T03:04:05Z""#);
    for values in [
        [usual, usual, usual],
        [usual, other, usual],
        [usual, other, other],
        [other, usual, other],
        [other, other, usual],
        ["null", other, usual],
        [r#""never""#, other, usual],
        [usual, "7", other],
        [other, "null", r#""2026-01-02T03:04:06Z""#],
    ] {
        let members = values.map(|value| format!(r#""at":{value}"#)).join(",");
        let row = format!(r#"{{"id":"x",{members}}}"#);
        let batch = batch_of(&row);
        let rebuilt = rebuild(&endpoint_with(FIELDS), &batch, 0).expect("our own batch");
        // A declared key with null is equal to a missing key.
        assert_eq!(
            rebuilt,
            row.replace(
                r#","at":null,"at":"2026-01-02T03:04:05Z","#,
                r#","at":"2026-01-02T03:04:05Z","#
            )
        );
    }
}

#[test]
fn the_hash_is_that_of_the_text() {
    let hash = |text: &str| hash_of(FIELDS, &format!(r#"{{"id":"x","at":"{text}"}}"#));
    let spelled = ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"].map(hash);
    assert_ne!(spelled[0], spelled[1]);
    let of_text = |text: &str| hash_of(FIELDS, &format!(r#"{{"id":"x","new":"{text}"}}"#));
    assert_ne!(
        of_text("2026-01-02T03:04:05Z"),
        spelled[0],
        "the key counts"
    );
    // The hash is written down here, because it must be equal for ever.
    assert_eq!(spelled, [PLAIN_HASH, USUAL_HASH]);
}

const PLAIN_HASH: i64 = 7_927_850_176_769_821_634;
const USUAL_HASH: i64 = -4_492_015_915_408_947_172;

#[test]
fn rows_that_differ_in_forms_alone_are_told_from_others() {
    let schema = endpoint_with(FIELDS).schema();
    let same = |one: &str, other: &str| {
        let rest = |members: &str| decoded(members).1;
        let (one, other) = (rest(one), rest(other));
        same_but_for_forms(schema.fields(), one.as_deref(), other.as_deref())
    };
    let usual = r#""at":"2026-01-02T03:04:05.000Z""#;
    for form in [
        usual,
        r#""at":"2026-01-02T03:04:05Z""#,
        r#""at":"2026-01-02 03:04:05+00:00""#,
        r#""midnight":"2026-01-02T00:00:00Z""#,
    ] {
        assert!(same(usual, form) && same(form, usual), "{form}");
        let more = format!(r#"{form},"new":1"#);
        assert!(!same(form, &more), "{more}");
        assert!(same(&more, r#""new":1"#), "{more}");
    }
    for other in [
        r#""at":"never""#,
        r#""at":7"#,
        r#""new_at":"2026-01-02T03:04:05Z""#,
        r#""text":"2026-01-02T03:04:05Z","one":{"at":"2026-01-02T03:04:05Z"}"#,
        r#""many":[{"at":"2026-01-02T03:04:05Z"}]"#,
    ] {
        assert!(!same(usual, other), "{other}");
    }
    assert!(!same_but_for_forms(schema.fields(), Some("[]"), None));
}

#[test]
fn minutes_of_an_offset_count() {
    let (batch, ..) = decoded(r#""at":"2026-01-02T03:04:05.678+05:45""#);
    let column = batch["at"].as_primitive::<TimestampMicrosecondType>();
    assert_eq!(column.value(0), AT - (5 * 60 + 45) * MINUTE);
}
