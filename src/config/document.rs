//! A configuration file as a tree that keeps line numbers.
//!
//! The parser's error texts quote lines of the file, and a line may hold a secret. Only the reason and the line number leave
//! this module.

use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::json;

/// A value and its line. In a map this is the line of the key.
#[derive(Clone)]
pub(super) struct DocumentNode {
    pub(super) line: Option<usize>,
    pub(super) value: Value,
}

/// A value of a configuration file.
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

/// Why a text is not a document. The reason never quotes the text.
pub(super) struct SyntaxError {
    pub(super) line: Option<usize>,
    pub(super) reason: String,
}

impl DocumentNode {
    /// Returns a map without entries, for a configuration by flags alone.
    pub(super) fn empty() -> Self {
        Self {
            line: None,
            value: Value::Map(Vec::new()),
        }
    }

    /// Parses a document. A text that is valid JSON is parsed as YAML afterwards, because the YAML parser keeps line numbers.
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

    /// Removes a key from this map and returns its value.
    pub(super) fn take(&mut self, key: &str) -> Option<Self> {
        let Value::Map(entries) = &mut self.value else {
            return None;
        };
        let at = entries.iter().position(|(name, _)| name == key)?;
        Some(entries.remove(at).1)
    }

    /// Calls `see` for every value of the tree with its dotted path, parents first, until a call fails.
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

/// Joins a dotted path and a name.
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
        // The scanner's messages are fixed sentences that quote at most one character of the text.
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
