//! A configuration file as a tree that knows its lines.
//!
//! The parser's own error texts quote the lines they stumble over, and a line may hold a secret: only the bare reason
//! and the line number leave this file.

use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::json;

/// A value and its line: that of its key in a map, its own elsewhere.
#[derive(Clone)]
pub(super) struct DocumentNode {
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
    List(Vec<DocumentNode>),
    Map(Vec<(String, DocumentNode)>),
}

/// Why a text is not a document: the reason never quotes the text.
pub(super) struct SyntaxError {
    pub(super) line: Option<usize>,
    pub(super) reason: String,
}

impl DocumentNode {
    /// A map without entries: the document of someone who configures by flags alone.
    pub(super) fn empty() -> Self {
        Self {
            line: None,
            value: Value::Map(Vec::new()),
        }
    }

    /// Reads a document. JSON is YAML once it is known to be JSON, and the YAML parser keeps lines.
    pub(super) fn parse(text: &str, is_json: bool) -> Result<Self, SyntaxError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if is_json {
            json::from_str::<IgnoredAny>(text).map_err(|error| json_syntax(&error))?;
        }
        let mut lines = text.lines().map(str::trim_start);
        if lines.all(|line| line.is_empty() || line.starts_with('#')) {
            return Ok(Self::empty());
        }
        let options = serde_saphyr::options! {
            with_snippet: false,
            strict_booleans: true,
        };
        serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options)
            .map(Self::from)
            .map_err(|error| SyntaxError {
                line: error.location().and_then(|at| known(at.line())),
                reason: yaml_reason(&error),
            })
    }

    /// Takes a key out of this map.
    pub(super) fn take(&mut self, key: &str) -> Option<Self> {
        let Value::Map(entries) = &mut self.value else {
            return None;
        };
        let at = entries.iter().position(|(name, _)| name == key)?;
        Some(entries.remove(at).1)
    }

    /// Shows every value of the tree with its dotted path, this one first, until one is refused.
    pub(super) fn walk<E>(
        &self,
        path: &str,
        see: &mut impl FnMut(&str, &Self) -> Result<(), E>,
    ) -> Result<(), E> {
        see(path, self)?;
        match &self.value {
            Value::List(items) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(nth, item)| item.walk(&format!("{path}[{nth}]"), see))
            }
            Value::Map(entries) => {
                let mut entries = entries.iter();
                entries.try_for_each(|(key, node)| node.walk(&join(path, key), see))
            }
            _ => Ok(()),
        }
    }
}

/// Joins a path and a name.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn json_syntax(error: &serde_json::Error) -> SyntaxError {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    SyntaxError {
        line: Some(error.line()),
        reason: reason.to_lowercase(),
    }
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

impl From<Spanned<Value>> for DocumentNode {
    fn from(spanned: Spanned<Value>) -> Self {
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

/// Methods that take a plain value.
macro_rules! plain {
    ($($method:ident($type:ty) -> $value:expr;)*) => {$(
        fn $method<E>(self, value: $type) -> Result<Value, E> {
            Ok($value(value.into()))
        }
    )*};
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    plain! {
        visit_bool(bool) -> Value::Bool;
        visit_i64(i64) -> Value::Int;
        visit_u64(u64) -> Value::Int;
        visit_i128(i128) -> Value::Int;
        visit_f64(f64) -> Value::Float;
        visit_str(&str) -> Value::Text;
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Value>>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let line = known(key.referenced.line());
            let value = map.next_value()?;
            entries.push((key.value, DocumentNode { line, value }));
        }
        Ok(Value::Map(entries))
    }
}
