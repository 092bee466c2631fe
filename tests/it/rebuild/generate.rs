//! Random records of a schema: mostly declared values, often other ones.

use kombo_source::catalog::{Field, FieldKind};
use proptest::prelude::*;
use proptest::sample::select;

use super::json::{Json, units};

/// Returns rows of an endpoint, each with an id.
pub(crate) fn rows(fields: &[Field], key: &str) -> BoxedStrategy<Vec<Json>> {
    let id = (
        Just(units(key)),
        "[1-9A-Za-z]{1,24}".prop_map(|id| Json::Text(units(&id))),
    );
    let row = (id, members(fields), any::<prop::sample::Index>()).prop_map(
        |(id, mut members, position)| {
            // The first key of a name takes the column, so the id stands before all other keys of its name.
            let before = members
                .iter()
                .position(|(key, _)| *key == id.0)
                .unwrap_or(members.len());
            members.insert(position.index(before + 1), id);
            Json::Object(members)
        },
    );
    prop::collection::vec(row, 1..4).boxed()
}

/// Returns any JSON value.
pub(crate) fn anything() -> BoxedStrategy<Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number().prop_map(Json::Number),
        text().prop_map(Json::Text),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::List),
            prop::collection::vec((text(), inner), 0..4).prop_map(Json::Object),
        ]
    })
    .boxed()
}

fn members(fields: &[Field]) -> BoxedStrategy<Vec<(Vec<u16>, Json)>> {
    let declared: Vec<_> = fields
        .iter()
        .map(|field| {
            let member = (Just(units(&field.name)), value(field));
            let count = prop_oneof![8 => Just(1_usize), 3 => Just(0), 1 => Just(2)];
            count
                .prop_flat_map(move |count| prop::collection::vec(member.clone(), count))
                .boxed()
        })
        .collect();
    let unknown = prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec((unknown_key(), anything()), 1..4),
    ];
    (declared, unknown)
        .prop_map(|(declared, unknown)| {
            declared
                .into_iter()
                .flatten()
                .chain(unknown)
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
        .boxed()
}

fn unknown_key() -> BoxedStrategy<Vec<u16>> {
    prop_oneof![
        text(),
        select(vec![
            "",
            "/",
            "~",
            "~1",
            "a/b~c",
            "0",
            "-",
            "new_field",
            "_rest",
            "id "
        ])
        .prop_map(units),
    ]
    .boxed()
}

fn value(field: &Field) -> BoxedStrategy<Json> {
    prop_oneof![10 => fitting(field), 1 => Just(Json::Null), 1 => anything()].boxed()
}

fn fitting(field: &Field) -> BoxedStrategy<Json> {
    match &field.kind {
        FieldKind::String => text().prop_map(Json::Text).boxed(),
        FieldKind::Int | FieldKind::Float => number().prop_map(Json::Number).boxed(),
        FieldKind::Bool => any::<bool>().prop_map(Json::Bool).boxed(),
        FieldKind::Timestamp => prop_oneof![
            2 => instant("T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.([0-9]{3}|[0-9]{6})Z"),
            1 => instant(
                "[T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.([0-9]{1,7}|[0-9]{3}000))?(Z|[+-][0-2][0-9]:?[0-6][0-9])",
            ),
        ]
        .boxed(),
        FieldKind::Date => instant("(T00:00:00.000Z)?"),
        FieldKind::MidnightDate => {
            instant("(T0[01]:00:00\\.000Z|[T ]0[01]:00:00(\\.0{1,6})?(Z|\\+0[01]:00))?")
        }
        FieldKind::Json => anything(),
        FieldKind::Struct(fields) => members(fields).prop_map(Json::Object).boxed(),
        FieldKind::List(item) => prop::collection::vec(value(item), 0..4)
            .prop_map(Json::List)
            .boxed(),
    }
}

/// Returns texts that look like instants. Some of them are not.
fn instant(time: &'static str) -> BoxedStrategy<Json> {
    let date = prop_oneof![
        4 => "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
        1 => "[0-9]{4}-[0-9]{2}-[0-9]{2}",
        1 => select(vec!["0001-01-01", "9999-12-31", "0000-01-01", "1900-02-29", "2024-02-29"]).prop_map(str::to_owned),
    ];
    (date, time)
        .prop_map(|(date, time)| Json::Text(units(&(date + &time))))
        .boxed()
}

fn text() -> BoxedStrategy<Vec<u16>> {
    prop_oneof![
        4 => "[ -~]{0,12}".prop_map(|text| units(&text)),
        2 => any::<String>().prop_map(|text| units(&text)),
        1 => "[\u{0}-\u{ff}\"/\\\\~]{0,20}".prop_map(|text| units(&text)),
        1 => prop::collection::vec(prop_oneof![any::<u16>(), 0xd7fe_u16..0xe002], 0..6),
        1 => select(vec!["2026-01-01T00:00:00.000Z", "2026-01-01", "null", "😀é山\u{0}"]).prop_map(units),
    ]
    .boxed()
}

fn number() -> BoxedStrategy<String> {
    prop_oneof![
        3 => (-100_000_i64..100_000).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => any::<f64>().prop_filter("JSON has none", |n| n.is_finite()).prop_map(|n| format!("{n:?}")),
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        1 => select(vec![
            "0", "-0", "-0.0", "0e999", "5.0", "1e2", "1.50", "1e400", "-1e-400", "5e-324", "2e-324",
            "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808",
            "-9223372036854775808", "-9223372036854775809", "0.1", "0.30000000000000004", "1E+3",
            "1.7976931348623157e308", "1.7976931348623159e308", "123456789012345678901234567890",
        ]).prop_map(str::to_owned),
    ]
    .boxed()
}
