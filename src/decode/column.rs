//! One column while its batch is built: vectors that can be cut back.
//!
//! Arrow's own builders cannot remove a row. But a missing id is known only after the columns of the row are filled.

pub(super) mod nested;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, FieldRef};

use self::nested::{ListColumn, StructColumn};
use super::error::DecodeError;
use super::number;
use super::text::JsonText;
use super::values::{Fit, Fixed, TextColumn};
use crate::catalog::{Field, FieldKind};
use crate::time;

/// The values of one column, by the kind of its field.
pub(super) enum TypedColumn {
    Text(TextColumn),
    Json(TextColumn),
    Int(Fixed<i64>),
    Float(Fixed<f64>),
    Bool(Fixed<bool>),
    Timestamp(Fixed<i64>),
    Date(Fixed<i32>),
    MidnightDate(Fixed<i32>),
    Struct(StructColumn),
    List(ListColumn),
}

impl TypedColumn {
    pub(super) fn new(field: &Field, arrow: &FieldRef) -> Self {
        match (&field.kind, arrow.data_type()) {
            (FieldKind::String, _) => Self::Text(TextColumn::default()),
            (FieldKind::Json, _) => Self::Json(TextColumn::default()),
            (FieldKind::Int, _) => Self::Int(Fixed::default()),
            (FieldKind::Float, _) => Self::Float(Fixed::default()),
            (FieldKind::Bool, _) => Self::Bool(Fixed::default()),
            (FieldKind::Timestamp, _) => Self::Timestamp(Fixed::default()),
            (FieldKind::Date, _) => Self::Date(Fixed::default()),
            (FieldKind::MidnightDate, _) => Self::MidnightDate(Fixed::default()),
            (FieldKind::Struct(fields), DataType::Struct(arrow)) => {
                Self::Struct(StructColumn::new(fields, arrow))
            }
            (FieldKind::List(item), DataType::List(arrow)) => {
                Self::List(ListColumn::new(item, arrow))
            }
            (FieldKind::Struct(_) | FieldKind::List(_), _) => {
                unreachable!(
                    "the catalog gives a struct field a struct type and a list field a list type"
                )
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(column) | Self::Json(column) => column.len(),
            Self::Int(column) | Self::Timestamp(column) => column.len(),
            Self::Float(column) => column.len(),
            Self::Bool(column) => column.len(),
            Self::Date(column) | Self::MidnightDate(column) => column.len(),
            Self::Struct(column) => column.len(),
            Self::List(column) => column.len(),
        }
    }

    pub(super) fn push_null(&mut self) {
        match self {
            Self::Text(column) | Self::Json(column) => column.push_null(),
            Self::Int(column) | Self::Timestamp(column) => column.push_null(),
            Self::Float(column) => column.push_null(),
            Self::Bool(column) => column.push_null(),
            Self::Date(column) | Self::MidnightDate(column) => column.push_null(),
            Self::Struct(column) => column.push_null(),
            Self::List(column) => column.push_null(),
        }
    }

    /// Appends the value of a string, or null when the column cannot hold the value.
    pub(super) fn push_string(&mut self, text: &JsonText<'_>) -> Result<Fit, DecodeError> {
        let Some(text) = text.as_str() else {
            self.push_null();
            return Ok(Fit::None);
        };
        Ok(match self {
            Self::Text(column) => column.push(text).map(|()| Fit::Exact)?,
            Self::Timestamp(column) => {
                let exact = time::parse_timestamp(text);
                column.push_either(exact, || time::parse_instant(text))
            }
            Self::Date(column) => column.push_either(time::parse_date(text), || None),
            Self::MidnightDate(column) => {
                let exact = text.strip_suffix(MIDNIGHT).and_then(time::parse_date);
                column.push_either(exact, || midnight(time::parse_instant(text)?))
            }
            other => {
                other.push_null();
                Fit::None
            }
        })
    }

    /// Returns the last value as text, if the column holds instants.
    pub(super) fn last_instant(&self) -> Option<String> {
        match self {
            Self::Timestamp(column) => column.last().map(time::format_timestamp),
            Self::MidnightDate(column) => {
                let date = column.last().map(time::format_date);
                date.map(|date| date + MIDNIGHT)
            }
            _ => None,
        }
    }

    /// Appends the value of a number, or null when the column cannot hold the value.
    pub(super) fn push_number(&mut self, text: &str) -> Fit {
        match self {
            Self::Int(column) => column.push_either(number::as_int(text), || None),
            Self::Float(column) => column.push_either(number::as_float(text), || None),
            other => {
                other.push_null();
                Fit::None
            }
        }
    }

    /// Cuts the column back to `len` values. Does nothing when the column has fewer.
    pub(super) fn truncate(&mut self, len: usize) {
        match self {
            Self::Text(column) | Self::Json(column) => column.truncate(len),
            Self::Int(column) | Self::Timestamp(column) => column.truncate(len),
            Self::Float(column) => column.truncate(len),
            Self::Bool(column) => column.truncate(len),
            Self::Date(column) | Self::MidnightDate(column) => column.truncate(len),
            Self::Struct(column) => column.truncate(len),
            Self::List(column) => column.truncate(len),
        }
    }

    /// Returns about how many bytes the values take in Arrow.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(column) | Self::Json(column) => column.bytes(),
            Self::Int(column) | Self::Timestamp(column) => column.bytes(),
            Self::Float(column) => column.bytes(),
            Self::Bool(column) => column.bytes(),
            Self::Date(column) | Self::MidnightDate(column) => column.bytes(),
            Self::Struct(column) => column.bytes(),
            Self::List(column) => column.bytes(),
        }
    }

    /// Makes room for as much as the last batch had.
    pub(super) fn begin(&mut self) {
        match self {
            Self::Text(column) | Self::Json(column) => column.begin(),
            Self::Int(column) | Self::Timestamp(column) => column.begin(),
            Self::Float(column) => column.begin(),
            Self::Bool(column) => column.begin(),
            Self::Date(column) | Self::MidnightDate(column) => column.begin(),
            Self::Struct(column) => column.begin(),
            Self::List(column) => column.begin(),
        }
    }

    /// Makes the array and removes all values from the column.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) | Self::Json(column) => Arc::new(column.finish()),
            Self::Int(column) => {
                let (values, nulls) = column.finish();
                Arc::new(Int64Array::new(values.into(), nulls))
            }
            Self::Float(column) => {
                let (values, nulls) = column.finish();
                Arc::new(Float64Array::new(values.into(), nulls))
            }
            Self::Bool(column) => {
                let (values, nulls) = column.finish();
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            Self::Timestamp(column) => {
                let (values, nulls) = column.finish();
                Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone("UTC"))
            }
            Self::Date(column) | Self::MidnightDate(column) => {
                let (values, nulls) = column.finish();
                Arc::new(Date32Array::new(values.into(), nulls))
            }
            Self::Struct(column) => Arc::new(column.finish()),
            Self::List(column) => Arc::new(column.finish()),
        }
    }
}

/// Returns the day that begins at an instant. Returns `None` for an instant that is not midnight.
fn midnight(micros: i64) -> Option<i32> {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let begins = micros.rem_euclid(MICROS_PER_DAY) == 0;
    i32::try_from(days).ok().filter(|_| begins)
}

pub(super) const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The end of a calendar date that Kombo writes as a timestamp.
const MIDNIGHT: &str = "T00:00:00.000Z";
