//! Rebuilds Kombo's JSON from the columns and `_rest` alone.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, FieldRef, Float64Type, Int64Type, TimestampMicrosecondType};

use super::column::MICROS_PER_DAY;
use super::error::DecodeError;
use super::number::float_text;
use super::scan::{Scanner, Token};
use super::text::{JsonText, push_json};
use crate::catalog::{Endpoint, Field, FieldKind, SystemColumn};
use crate::time::{format_date, format_timestamp, parse_instant};

/// The greatest depth of `_rest`. Its values come from pages, so they nest no deeper than pages may.
pub(super) const REST_DEPTH: usize = super::MAX_DEPTH;

/// Writes one row of a batch as the JSON that Kombo sent.
///
/// The result is equal to the sent JSON as a value. Declared fields that were null are omitted. Keys stand in the order
/// of the schema, followed by the values of `_rest`. Numbers of columns are written in their shortest form. A batch
/// that was written with an older schema may lack columns; they are omitted.
///
/// # Errors
/// Returns an error when the batch has no such row, when the batch does not belong to this endpoint, when the batch has
/// values in columns of a newer schema, or when the decoder did not write its `_rest`.
pub fn rebuild(
    endpoint: &Endpoint,
    batch: &RecordBatch,
    row: usize,
) -> Result<String, RebuildError> {
    if row >= batch.num_rows() {
        return Err(RebuildError::NoRow);
    }
    let schema = batch.schema();
    let kombo = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(field, _)| {
            SystemColumn::ALL
                .iter()
                .all(|system| system.name() != field.name())
        });
    let mut record = object(&endpoint.fields, kombo, row)?;
    let rest = batch
        .column_by_name(SystemColumn::Rest.name())
        .and_then(|column| column.as_string_opt::<i32>())
        .ok_or_else(|| RebuildError::column(SystemColumn::Rest.name()))?;
    if rest.is_valid(row) {
        place_rest(&mut record, rest.value(row)).map_err(|_| RebuildError::Rest)?;
    }
    let mut out = String::new();
    record.write(&mut out);
    Ok(out)
}

/// Why a row could not be written as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The batch has fewer rows.
    #[error("the batch has no such row")]
    NoRow,
    /// The batch has a column that the schema does not declare, or declares with another type.
    #[error("column {name:?} is not as the schema declares it")]
    Column {
        /// The name of the column.
        name: String,
    },
    /// A path in `_rest` leads nowhere, or `_rest` is not a JSON object.
    #[error("`_rest` does not match the columns")]
    Rest,
}

impl RebuildError {
    fn column(name: &str) -> Self {
        Self::Column {
            name: name.to_owned(),
        }
    }
}

/// A value that is being written back to text. Keys are JSON strings in their shortest form, including the quotes.
enum JsonNode {
    Text(String),
    /// An instant, in microseconds since the epoch. `_rest` may hold the form in which the instant was sent.
    Instant(i64),
    Object(Vec<(String, JsonNode)>),
    List(Vec<JsonNode>),
}

impl JsonNode {
    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Instant(micros) => {
                out.push('"');
                out.push_str(&format_timestamp(*micros));
                out.push('"');
            }
            Self::Object(members) => {
                out.push('{');
                for (position, (key, value)) in members.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    out.push_str(key);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            Self::List(elements) => {
                out.push('[');
                for (position, element) in elements.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
        }
    }

    /// Returns whether a JSON value is this instant in any form.
    fn is_instant(&self, raw: &str) -> bool {
        let Self::Instant(micros) = self else {
            return false;
        };
        let sent = Scanner::new(raw, REST_DEPTH).string();
        let sent = sent.ok().filter(|_| raw.starts_with('"'));
        let sent = sent.as_ref().and_then(JsonText::as_str);
        sent.and_then(parse_instant) == Some(*micros)
    }

    /// Puts a value of `_rest` at its path. Returns `None` when the path leads nowhere.
    fn place(&mut self, path: &[u8], raw: &str) -> Option<()> {
        let mut tokens = path
            .strip_prefix(b"/")?
            .split(|byte| *byte == b'/')
            .peekable();
        let mut node = self;
        while let Some(token) = tokens.next() {
            let last = tokens.peek().is_none();
            node = match node {
                Self::Object(members) if last => {
                    let (key, sent) = (json_string(&unescape(token)), Self::Text(raw.to_owned()));
                    let is_form = |(member, value): &&mut (String, Self)| {
                        *member == key && value.is_instant(raw)
                    };
                    match members.iter_mut().find(is_form) {
                        Some((_, value)) => *value = sent,
                        None => members.push((key, sent)),
                    }
                    return Some(());
                }
                Self::Object(members) => {
                    let key = json_string(&unescape(token));
                    &mut members.iter_mut().find(|(member, _)| *member == key)?.1
                }
                Self::List(elements) => {
                    let index: usize = std::str::from_utf8(token).ok()?.parse().ok()?;
                    elements.get_mut(index)?
                }
                Self::Text(_) | Self::Instant(_) => return None,
            };
        }
        *node = Self::Text(raw.to_owned());
        Some(())
    }
}

fn value(field: &Field, column: &ArrayRef, row: usize) -> Result<JsonNode, RebuildError> {
    if column.is_null(row) {
        return Ok(JsonNode::Text("null".to_owned()));
    }
    let node = match &field.kind {
        FieldKind::String => column
            .as_string_opt::<i32>()
            .map(|texts| JsonNode::Text(json_string(texts.value(row).as_bytes()))),
        FieldKind::Json => column
            .as_string_opt::<i32>()
            .map(|texts| JsonNode::Text(texts.value(row).to_owned())),
        FieldKind::Int => column
            .as_primitive_opt::<Int64Type>()
            .map(|values| JsonNode::Text(values.value(row).to_string())),
        FieldKind::Float => column
            .as_primitive_opt::<Float64Type>()
            .map(|values| JsonNode::Text(float_text(values.value(row)))),
        FieldKind::Bool => column
            .as_boolean_opt()
            .map(|values| JsonNode::Text(values.value(row).to_string())),
        FieldKind::Timestamp => column
            .as_primitive_opt::<TimestampMicrosecondType>()
            .map(|values| JsonNode::Instant(values.value(row))),
        FieldKind::Date => column
            .as_primitive_opt::<Date32Type>()
            .map(|values| JsonNode::Text(format!("\"{}\"", format_date(values.value(row))))),
        FieldKind::MidnightDate => column
            .as_primitive_opt::<Date32Type>()
            .map(|values| JsonNode::Instant(i64::from(values.value(row)) * MICROS_PER_DAY)),
        FieldKind::Struct(fields) => match column.as_struct_opt() {
            Some(objects) => {
                return object(fields, objects.fields().iter().zip(objects.columns()), row);
            }
            None => None,
        },
        FieldKind::List(item) => return list(field, item, column, row),
    };
    node.ok_or_else(|| RebuildError::column(&field.name))
}

/// Writes the members of an object, in the order of the schema.
fn object<'a>(
    fields: &[Field],
    columns: impl Iterator<Item = (&'a FieldRef, &'a ArrayRef)>,
    row: usize,
) -> Result<JsonNode, RebuildError> {
    let mut members = Vec::new();
    for (arrow, column) in columns.filter(|(_, column)| column.is_valid(row)) {
        let declared = fields.iter().position(|field| field.name == *arrow.name());
        let position = declared.ok_or_else(|| RebuildError::column(arrow.name()))?;
        let field = &fields[position];
        members.push((
            position,
            (
                json_string(field.name.as_bytes()),
                value(field, column, row)?,
            ),
        ));
    }
    members.sort_by_key(|(position, _)| *position);
    Ok(JsonNode::Object(
        members.into_iter().map(|(_, member)| member).collect(),
    ))
}

fn list(
    field: &Field,
    item: &Field,
    column: &ArrayRef,
    row: usize,
) -> Result<JsonNode, RebuildError> {
    let lists = column
        .as_list_opt::<i32>()
        .ok_or_else(|| RebuildError::column(&field.name))?;
    let elements = lists.value(row);
    let nodes = (0..elements.len()).map(|index| value(item, &elements, index));
    Ok(JsonNode::List(nodes.collect::<Result<_, _>>()?))
}

fn place_rest(record: &mut JsonNode, rest: &str) -> Result<(), PlaceError> {
    let mut scan = Scanner::new(rest, REST_DEPTH);
    if scan.token()? != Token::Object {
        return Err(PlaceError);
    }
    scan.enter()?;
    let mut first = true;
    while let Some(path) = scan.key(&mut first)? {
        let (raw, _) = scan.raw()?;
        record.place(path.as_bytes(), raw).ok_or(PlaceError)?;
    }
    scan.end()?;
    Ok(())
}

/// A value of `_rest` has no place in the record. The caller needs no more detail.
struct PlaceError;

impl From<DecodeError> for PlaceError {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

fn json_string(content: &[u8]) -> String {
    let mut out = String::with_capacity(content.len() + 2);
    out.push('"');
    push_json(&mut out, content);
    out.push('"');
    out
}

/// Resolves `~1` and `~0` in a token of a JSON Pointer.
pub(super) fn unescape(token: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(token.len());
    let mut bytes = token.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'~' if bytes.next() == Some(&b'1') => b'/',
            b'~' => b'~',
            other => *other,
        });
    }
    out
}
