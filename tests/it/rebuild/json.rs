//! A JSON tree that keeps everything: the text of numbers, duplicate keys, lone surrogates. `serde_json` reads the
//! tree, so the decoder is compared with code that is not its own.

use std::fmt::{self, Write};

use kombo_source::catalog::{Field, FieldKind};
use serde::Deserialize;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON value. Strings and keys are UTF-16, as in JavaScript.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(Vec<u16>),
    List(Vec<Json>),
    Object(Vec<(Vec<u16>, Json)>),
}

impl Json {
    /// Reads a text with `serde_json`.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(text)?;
        let text = raw.get();
        Ok(match text.as_bytes()[0] {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' => {
                let mut json = serde_json::Deserializer::from_str(text);
                Self::Text(Units.deserialize(&mut json)?)
            }
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(text)?;
                let elements = elements
                    .into_iter()
                    .map(|element| Self::parse(element.get()));
                Self::List(elements.collect::<Result<_, _>>()?)
            }
            b'{' => {
                let members: Members = serde_json::from_str(text)?;
                let members = members
                    .0
                    .into_iter()
                    .map(|(key, value)| Ok((key, Self::parse(value.get())?)));
                Self::Object(members.collect::<Result<_, serde_json::Error>>()?)
            }
            _ => Self::Number(text.to_owned()),
        })
    }

    /// Writes the value in one of the many ways in which JSON can be written.
    pub(crate) fn write(&self, spelling: Spelling, out: &mut String) {
        let space = if spelling.spaced { " \n\t" } else { "" };
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::Text(units) => write_text(units, spelling, out),
            Self::List(elements) => {
                out.push('[');
                for (position, element) in elements.iter().enumerate() {
                    out.push_str(if position > 0 { "," } else { "" });
                    out.push_str(space);
                    element.write(spelling, out);
                    out.push_str(space);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (position, (key, value)) in members.iter().enumerate() {
                    out.push_str(if position > 0 { "," } else { "" });
                    out.push_str(space);
                    write_text(key, spelling, out);
                    out.push_str(space);
                    out.push(':');
                    out.push_str(space);
                    value.write(spelling, out);
                }
                out.push('}');
            }
        }
    }

    /// Brings a record into a normal form in which equal records are equal. Declared members that are null are removed,
    /// keys are sorted (members with one key stay in order), and numbers of number columns become exact decimals.
    pub(crate) fn normal(self, fields: &[Field]) -> Self {
        let Self::Object(members) = self else {
            return self;
        };
        let mut normal = Vec::new();
        for (key, value) in members {
            let field = fields.iter().find(|field| units(&field.name) == key);
            match (field, value) {
                (Some(_), Self::Null) => {}
                (Some(field), value) => normal.push((key, value.normal_as(&field.kind))),
                (None, value) => normal.push((key, value)),
            }
        }
        normal.sort_by(|a, b| a.0.cmp(&b.0));
        Self::Object(normal)
    }

    /// Returns the first member with this name.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(key, _)| *key == units(name))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Reverses the order of the keys of all objects.
    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Object(members) => {
                let members = members.into_iter().rev();
                Self::Object(
                    members
                        .map(|(key, value)| (key, value.reversed()))
                        .collect(),
                )
            }
            Self::List(elements) => Self::List(elements.into_iter().map(Self::reversed).collect()),
            other => other,
        }
    }

    fn normal_as(self, kind: &FieldKind) -> Self {
        match (self, kind) {
            (value @ Self::Object(_), FieldKind::Struct(fields)) => value.normal(fields),
            (Self::List(elements), FieldKind::List(item)) => Self::List(
                elements
                    .into_iter()
                    .map(|element| element.normal_as(&item.kind))
                    .collect(),
            ),
            (Self::Number(text), FieldKind::Int | FieldKind::Float) => Self::Number(decimal(&text)),
            (value, _) => value,
        }
    }
}

/// The choices that JSON leaves open to the writer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spelling {
    pub(crate) spaced: bool,
    /// Whether every character of a string is written as an escape.
    pub(crate) escaped: bool,
}

/// Returns the UTF-16 of a text.
pub(crate) fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn write_text(units: &[u16], spelling: Spelling, out: &mut String) {
    out.push('"');
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(plain) if !spelling.escaped && plain >= ' ' && plain != '"' && plain != '\\' => {
                out.push(plain);
            }
            Ok(special @ ('"' | '\\' | '/')) => out.extend(['\\', special]),
            Ok('\n') => out.push_str("\\n"),
            Ok('\u{8}') => out.push_str("\\b"),
            Ok(other) => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04X}").expect("writing to memory");
                }
            }
            Err(lone) => {
                write!(out, "\\u{:04x}", lone.unpaired_surrogate()).expect("writing to memory");
            }
        }
    }
    out.push('"');
}

/// Writes a number as sign, digits and exponent, without zeros at either end of the digits.
fn decimal(text: &str) -> String {
    let (sign, text) = text
        .strip_prefix('-')
        .map_or(("", text), |text| ("-", text));
    let lower = text.to_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    if digits.is_empty() {
        return "0".to_owned();
    }
    let zeros = all.len() - all.trim_end_matches('0').len();
    let exponent: i128 = exponent.parse().expect("exponents of the tests are short");
    let exponent = exponent - fraction.len() as i128 + zeros as i128;
    format!("{sign}{digits}e{exponent}")
}

struct Members<'a>(Vec<(Vec<u16>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key_seed(Units)? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Reads a string as UTF-16, through the WTF-8 that `serde_json` returns for bytes.
struct Units;

impl<'de> DeserializeSeed<'de> for Units {
    type Value = Vec<u16>;
    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Vec<u16>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Units {
    type Value = Vec<u16>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_bytes<E>(self, mut bytes: &[u8]) -> Result<Vec<u16>, E> {
        let mut all = Vec::new();
        loop {
            let valid = match std::str::from_utf8(bytes) {
                Ok(text) => {
                    all.extend(text.encode_utf16());
                    return Ok(all);
                }
                Err(error) => error.valid_up_to(),
            };
            all.extend(units(
                std::str::from_utf8(&bytes[..valid]).expect("checked"),
            ));
            let surrogate = &bytes[valid..valid + 3];
            let bits = |index: usize| u16::from(surrogate[index] & 0x3f);
            all.push(0xd000 | (bits(1) << 6) | bits(2));
            bytes = &bytes[valid + 3..];
        }
    }
}
