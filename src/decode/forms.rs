//! Whether the `_rest` of two rows differs in more than the forms of instants.
//!
//! An instant in two forms is one value. A sender that begins to write `+00:00` in place of `Z` has not changed any
//! record.

use arrow::datatypes::{DataType, Fields};

use super::rebuild::{REST_DEPTH, unescape};
use super::scan::{Scanner, Token};
use super::text::JsonText;
use crate::time::parse_instant;

/// Returns whether two `_rest` values are equal, apart from the texts of instants that a column holds as well.
#[must_use]
pub fn same_but_for_forms(columns: &Fields, one: Option<&str>, other: Option<&str>) -> bool {
    let one = others(columns, one.unwrap_or("{}"));
    one.is_some() && one == others(columns, other.unwrap_or("{}"))
}

/// Returns path and text of every value that is not another form of an instant. Returns `None` for a text that the
/// decoder did not write.
fn others<'a>(columns: &Fields, rest: &'a str) -> Option<Vec<(Vec<u8>, &'a str)>> {
    let mut scan = Scanner::new(rest, REST_DEPTH);
    (scan.token().ok()? == Token::Object).then_some(())?;
    scan.enter().ok()?;
    let (mut first, mut others) = (true, Vec::new());
    while let Some(path) = scan.key(&mut first).ok()? {
        let (raw, _) = scan.raw().ok()?;
        if !(is_instant(raw) && holds_instants(columns, path.as_bytes())) {
            others.push((path.as_bytes().to_vec(), raw));
        }
    }
    Some(others)
}

fn is_instant(raw: &str) -> bool {
    let text = Scanner::new(raw, REST_DEPTH).string();
    let text = text.ok().filter(|_| raw.starts_with('"'));
    let text = text.as_ref().and_then(JsonText::as_str);
    text.and_then(parse_instant).is_some()
}

/// Returns whether a path leads to a column of instants, or of days that Kombo sends as instants.
fn holds_instants(columns: &Fields, path: &[u8]) -> bool {
    let mut tokens = path.split(|byte| *byte == b'/').skip(1);
    let member = |fields: &Fields, token: &[u8]| {
        let name = unescape(token);
        let mut fields = fields.iter();
        fields
            .find(|field| field.name().as_bytes() == name)
            .cloned()
    };
    let Some(mut field) = tokens.next().and_then(|token| member(columns, token)) else {
        return false;
    };
    for token in tokens {
        let inner = match field.data_type() {
            DataType::Struct(fields) => member(fields, token),
            DataType::List(item) => Some(item.clone()),
            _ => None,
        };
        let Some(inner) = inner else { return false };
        field = inner;
    }
    matches!(
        field.data_type(),
        DataType::Timestamp(..) | DataType::Date32
    )
}
