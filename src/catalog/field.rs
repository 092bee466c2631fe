//! The shape of one column, as a file in `schemas/` declares it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One declared field of an endpoint's record, or of a struct inside the record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "RawField")]
pub struct Field {
    /// Kombo's name of the field. Empty for the element of a list.
    pub name: String,
    /// The stable Parquet field id. An id is unique within the endpoint and is never used for another field.
    pub id: i32,
    /// The type of the field's column.
    pub kind: FieldKind,
    /// Whether Kombo may send null.
    pub nullable: bool,
    /// Whether Kombo may omit the key.
    pub optional: bool,
    /// Facts that only the twin needs, in order to make plausible values.
    pub hints: FieldHints,
}

/// The type of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    /// Text. Also used for enums and times, because Kombo adds values to both.
    String,
    /// A whole number of 64 bits.
    Int,
    /// A floating-point number of 64 bits.
    Float,
    /// True or false.
    Bool,
    /// An instant `YYYY-MM-DDTHH:mm:ss.sssZ`, stored as microseconds in UTC.
    Timestamp,
    /// A calendar date `YYYY-MM-DD`.
    Date,
    /// A calendar date that Kombo sends as a timestamp at midnight UTC.
    MidnightDate,
    /// Free JSON, stored as text.
    Json,
    /// A nested object.
    Struct(Vec<Field>),
    /// A nested array. The field describes its elements.
    List(Box<Field>),
}

/// Facts about the values of a field. The twin uses them to make values; no rule of the pipeline reads them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FieldHints {
    /// The known values of an enum.
    pub values: Vec<String>,
    /// Whether an enum may have further values, which are kept unchanged.
    pub open: bool,
    /// The format of the value: `uri`, `email` or `time`.
    pub format: Option<String>,
    /// A regular expression that the values match.
    pub pattern: Option<String>,
    /// The path, with dots, of the tag of a union that became this struct.
    pub tag: Option<String>,
    /// For each tag, the paths of the fields of its variant.
    pub variants: BTreeMap<String, Vec<String>>,
    /// For each tag, the shape of a free JSON value.
    pub shapes: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct RawField {
    #[serde(default)]
    name: String,
    id: i32,
    r#type: String,
    wire: Option<String>,
    #[serde(default)]
    nullable: bool,
    #[serde(default)]
    optional: bool,
    fields: Option<Vec<Field>>,
    item: Option<Box<Field>>,
    #[serde(flatten)]
    hints: FieldHints,
}

impl TryFrom<RawField> for Field {
    type Error = String;

    fn try_from(raw: RawField) -> Result<Self, String> {
        let kind = match (
            raw.r#type.as_str(),
            raw.wire.as_deref(),
            raw.fields,
            raw.item,
        ) {
            ("string" | "enum", None, None, None) => FieldKind::String,
            ("int", None, None, None) => FieldKind::Int,
            ("float", None, None, None) => FieldKind::Float,
            ("bool", None, None, None) => FieldKind::Bool,
            ("timestamp", None, None, None) => FieldKind::Timestamp,
            ("date", None, None, None) => FieldKind::Date,
            ("date", Some("timestamp"), None, None) => FieldKind::MidnightDate,
            ("json", None, None, None) => FieldKind::Json,
            ("struct", None, Some(fields), None) if !fields.is_empty() => FieldKind::Struct(fields),
            ("list", None, None, Some(item)) => FieldKind::List(item),
            (other, ..) => {
                return Err(format!(
                    "field {:?} has type {other:?} together with parts that this type cannot have",
                    raw.name
                ));
            }
        };
        Ok(Self {
            name: raw.name,
            id: raw.id,
            kind,
            nullable: raw.nullable,
            optional: raw.optional,
            hints: raw.hints,
        })
    }
}
