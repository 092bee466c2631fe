//! The sections `sources` and `sinks`. Each maps names to components; this version takes exactly one component each.

use serde::de::Unexpected;

use super::document::{DocumentNode, Value, join};
use super::error::ConfigError;
use super::fault::kind_of;
use super::places::Places;

/// A section of the document that maps names to components.
pub(super) struct Section {
    /// Key of the section in the document.
    pub(super) key: &'static str,
    one: &'static str,
    type_name: &'static str,
    example: &'static str,
}

/// The section of sources.
pub(super) const SOURCES: Section = Section {
    key: "sources",
    one: "source",
    type_name: "kombo",
    example: "{kombo: {type: kombo, region: eu}}",
};

/// The section of sinks.
pub(super) const SINKS: Section = Section {
    key: "sinks",
    one: "sink",
    type_name: "delta_lake",
    example: "{lake: {type: delta_lake, inputs: [kombo], url: ./kombo-lake}}",
};

impl Section {
    /// Returns the name and the options of the section's only component. The type is checked and removed.
    pub(super) fn only_component(
        &self,
        section: Option<DocumentNode>,
        places: &Places,
    ) -> Result<(String, DocumentNode), ConfigError> {
        let Self { key, one, .. } = *self;
        let missing = || {
            let advice = format!("add {key}: {}", self.example);
            places.missing(key, key.to_owned(), advice)
        };
        let mut entries = match section.ok_or_else(missing)?.value {
            Value::Map(entries) => entries,
            Value::Null => return Err(missing()),
            other => {
                let found = kind_of(&other.unexpected());
                let problem = format!("is {found}, but must be a map: a name, then its options");
                return Err(places.invalid(key, problem));
            }
        };
        if let [(first, _), (second, _), ..] = entries.as_slice() {
            let problem = format!(
                "is one {one} too many: this version takes exactly one, and there is {first:?} already"
            );
            return Err(places.invalid(&join(key, second), problem));
        }
        let (name, mut node) = entries.pop().ok_or_else(missing)?;
        self.check_type(&mut node, &join(key, &name), places)?;
        Ok((name, node))
    }

    fn check_type(
        &self,
        node: &mut DocumentNode,
        path: &str,
        places: &Places,
    ) -> Result<(), ConfigError> {
        let Self { one, type_name, .. } = *self;
        let found = node.value.unexpected();
        if found != Unexpected::Map {
            let problem = format!("is {}, but must be a map of options", kind_of(&found));
            return Err(places.invalid(path, problem));
        }
        let type_path = join(path, "type");
        let problem = match node.take("type").map(|told| told.value) {
            Some(Value::Text(text)) if text == type_name => return Ok(()),
            Some(Value::Text(text)) => {
                format!("is {text:?}, but the only type of {one} is {type_name}")
            }
            Some(other) => {
                let found = kind_of(&other.unexpected());
                format!("is {found}, but must be {type_name}")
            }
            None => return Err(places.missing(path, type_path, format!("add type: {type_name}"))),
        };
        Err(places.invalid(&type_path, problem))
    }
}
