//! A configuration file as a tree that knows its lines, whatever its format.
//!
//! The parsers' own error texts quote the lines they stumble over, and a line may hold a secret: only the bare reason
//! and the line number leave this file.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};

use crate::json;

/// The formats a configuration may have, told by the file's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Yaml,
    Toml,
    Json,
}

impl Format {
    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A value and the line it starts on.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) line: Option<usize>,
    pub(super) value: Value,
}

/// What a file can hold.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value` of a map.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The line of the key.
    pub(super) line: Option<usize>,
    pub(super) node: Node,
}

/// Why a text is not a document: the reason never quotes the text.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) line: Option<usize>,
    pub(super) reason: String,
}

impl Node {
    /// A map without entries: the document of someone who configures by flags alone.
    pub(super) fn empty() -> Self {
        Self {
            line: None,
            value: Value::Map(Vec::new()),
        }
    }

    /// Finds the value of a key, when this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// Takes a key out of this map.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        let Value::Map(entries) = &mut self.value else {
            return None;
        };
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at))
    }

    /// Reads a document.
    pub(super) fn parse(text: &str, format: Format) -> Result<Self, SyntaxError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match format {
            Format::Yaml => yaml(text),
            Format::Toml => toml_document(text),
            Format::Json => {
                // JSON is YAML once it is known to be JSON, and the YAML parser keeps lines.
                json_syntax(text)?;
                yaml(text)
            }
        }
    }
}

fn json_syntax(text: &str) -> Result<(), SyntaxError> {
    json::from_str::<serde::de::IgnoredAny>(text)
        .map(|_| ())
        .map_err(|error| {
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default();
            SyntaxError {
                line: Some(error.line()),
                reason: reason.to_lowercase(),
            }
        })
}

fn yaml(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
    };
    let only_comments = text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if only_comments {
        return Ok(Node::empty());
    }
    serde_saphyr::from_str_with_options::<serde_saphyr::Spanned<Value>>(text, options)
        .map(Node::from)
        .map_err(|error| SyntaxError {
            line: error.location().and_then(|at| known(at.line())),
            reason: yaml_reason(&error),
        })
}

fn yaml_reason(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key:?} is there twice")
        }
        Error::DuplicateMappingKey { key: None, .. } => "a key is there twice".to_owned(),
        Error::UnknownAnchor { .. } => {
            "a value that begins with * needs quotes, such as \"*/users\"".to_owned()
        }
        Error::MultipleDocuments { .. } => {
            "there is more than one document (a line with --- begins another)".to_owned()
        }
        Error::Eof { .. } => "the file ends too early".to_owned(),
        // The scanner's messages are fixed sentences; at most a single character of the text is in them.
        Error::ExternalMessage { msg, .. } => msg.to_lowercase(),
        _ => "this is not valid YAML".to_owned(),
    }
}

fn known(line: u64) -> Option<usize> {
    usize::try_from(line).ok().filter(|line| *line > 0)
}

impl From<serde_saphyr::Spanned<Value>> for Node {
    fn from(spanned: serde_saphyr::Spanned<Value>) -> Self {
        Self {
            line: known(spanned.referenced.line()),
            value: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<serde_saphyr::Spanned<Value>>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<serde_saphyr::Spanned<String>>()? {
            entries.push(Entry {
                line: known(key.referenced.line()),
                key: key.value,
                node: map.next_value::<serde_saphyr::Spanned<Value>>()?.into(),
            });
        }
        Ok(Value::Map(entries))
    }
}

fn toml_document(text: &str) -> Result<Node, SyntaxError> {
    let lines = Lines { text };
    let table = toml::de::DeTable::parse(text).map_err(|error| SyntaxError {
        line: error.span().map(|span| lines.at(span.start)),
        reason: error.message().to_lowercase(),
    })?;
    Ok(Node {
        line: Some(1),
        value: toml_table(table.get_ref(), lines),
    })
}

/// Counts lines in a text whose parser counts bytes.
#[derive(Clone, Copy)]
struct Lines<'a> {
    text: &'a str,
}

impl Lines<'_> {
    fn at(self, byte: usize) -> usize {
        let newlines = self.text.match_indices('\n');
        1 + newlines.take_while(|(at, _)| *at < byte).count()
    }
}

fn toml_table(table: &toml::de::DeTable<'_>, lines: Lines<'_>) -> Value {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            line: Some(lines.at(key.span().start)),
            node: toml_value(value, lines),
        })
        .collect();
    // The parser sorts by name; errors are reported in the order of the file.
    entries.sort_by_key(|entry| entry.line);
    Value::Map(entries)
}

fn toml_value(value: &toml::Spanned<toml::de::DeValue<'_>>, lines: Lines<'_>) -> Node {
    use toml::de::DeValue;
    let inner = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(int) => i128::from_str_radix(int.as_str(), int.radix())
            .map_or_else(|_| Value::Text(int.as_str().to_owned()), Value::Int),
        DeValue::Float(float) => float
            .as_str()
            .parse()
            .map_or_else(|_| Value::Text(float.as_str().to_owned()), Value::Float),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(at) => Value::Text(at.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| toml_value(item, lines)).collect())
        }
        DeValue::Table(table) => toml_table(table, lines),
    };
    Node {
        line: Some(lines.at(value.span().start)),
        value: inner,
    }
}
