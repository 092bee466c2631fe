//! The sections `sources` and `sinks`: components by name, of which exactly one is taken for now.

use super::document::{Entry, Node, Value};
use super::error::ConfigError;
use super::marks::Marks;
use super::reader::join;

/// A section of the document that holds components by name.
pub(super) struct Section {
    /// Its key in the document.
    pub(super) key: &'static str,
    one: &'static str,
    type_name: &'static str,
    example: &'static str,
}

/// Where rows come from.
pub(super) const SOURCES: Section = Section {
    key: "sources",
    one: "source",
    type_name: "kombo",
    example: "{kombo: {type: kombo, region: eu}}",
};

/// Where rows go.
pub(super) const SINKS: Section = Section {
    key: "sinks",
    one: "sink",
    type_name: "delta_lake",
    example: "{lake: {type: delta_lake, inputs: [kombo], url: ./kombo-lake}}",
};

impl Section {
    /// Takes the one component of the section, with its type checked and taken off.
    pub(super) fn only_component(
        &self,
        root: &mut Node,
        marks: &Marks,
    ) -> Result<(String, Node), ConfigError> {
        let Section { key, one, .. } = *self;
        let missing = || ConfigError::Missing {
            place: marks.place(key),
            path: key.to_owned(),
            advice: format!("add {key}: {}", self.example),
        };
        let value = root.take(key).ok_or_else(missing)?.node.value;
        let mut entries = match value {
            Value::Map(entries) => entries,
            Value::Null => return Err(missing()),
            other => {
                let problem = format!(
                    "is {}, but must be a map: a name, then its options",
                    other.kind()
                );
                return Err(marks.invalid(key, &problem));
            }
        };
        if let Some(second) = entries.get(1) {
            let problem = format!(
                "is one {one} too many: this version takes exactly one, and there is {:?} already",
                entries[0].key
            );
            return Err(marks.invalid(&join(key, &second.key), &problem));
        }
        let Entry {
            key: name,
            mut node,
            ..
        } = entries.pop().ok_or_else(missing)?;
        let path = join(key, &name);
        self.check_type(&mut node, &path, marks)?;
        Ok((name, node))
    }

    fn check_type(&self, node: &mut Node, path: &str, marks: &Marks) -> Result<(), ConfigError> {
        if !matches!(node.value, Value::Map(_)) {
            let problem = format!("is {}, but must be a map of options", node.value.kind());
            return Err(marks.invalid(path, &problem));
        }
        let type_name = self.type_name;
        let type_path = join(path, "type");
        match node.take("type").map(|entry| entry.node.value) {
            None => Err(ConfigError::Missing {
                place: marks.place(path),
                path: type_path,
                advice: format!("add type: {type_name}"),
            }),
            Some(Value::Text(text)) if text == type_name => Ok(()),
            Some(Value::Text(text)) => {
                let problem = format!(
                    "is {text:?}, but the only type of {} is {type_name}",
                    self.one
                );
                Err(marks.invalid(&type_path, &problem))
            }
            Some(other) => {
                let problem = format!("is {}, but must be {type_name}", other.kind());
                Err(marks.invalid(&type_path, &problem))
            }
        }
    }
}
