//! The shape of one column, as `schemas/` declares it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One declared field of an endpoint's record, or of a struct inside it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "RawField")]
pub struct Field {
    /// Kombo's name. Empty for the element of a list.
    pub name: String,
    /// Stable Parquet field id, unique within the endpoint, never used twice.
    pub id: i32,
    /// The type of its column.
    pub kind: FieldKind,
    /// Kombo may send null.
    pub nullable: bool,
    /// Kombo may leave the key out.
    pub optional: bool,
    /// What only the twin needs, to make believable values.
    pub hints: FieldHints,
}

/// The type of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    /// Text; enums and times too, since Kombo adds values to both.
    String,
    /// A whole number, 64 bits.
    Int,
    /// A double.
    Float,
    /// True or false.
    Bool,
    /// `YYYY-MM-DDTHH:mm:ss.sssZ`, as microseconds UTC.
    Timestamp,
    /// `YYYY-MM-DD`.
    Date,
    /// A calendar date that Kombo sends as a timestamp at midnight UTC.
    MidnightDate,
    /// Free JSON, kept as text.
    Json,
    /// A nested object.
    Struct(Vec<Field>),
    /// A nested array; the field is its element.
    List(Box<Field>),
}

/// Facts about the values of a field. They shape what the twin makes up; no rule of ours reads them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FieldHints {
    /// The values an enum is known to take.
    pub values: Vec<String>,
    /// Further values pass through an enum as they are.
    pub open: bool,
    /// `uri`, `email` or `time`.
    pub format: Option<String>,
    /// A regular expression that values match.
    pub pattern: Option<String>,
    /// Path of the tag of a union that became this struct, with dots.
    pub tag: Option<String>,
    /// For each tag, the paths of the fields its variant has.
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
                    "field {:?} has type {other:?} with parts that do not go with it",
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
