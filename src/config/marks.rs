//! Where each option was read.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::document::{Node, Value};
use super::error::{ConfigError, Place};
use super::fault::FaultKind;
use super::reader::{join, read};

/// Where each option was read, so that what is found out later can still name the line.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    pub(super) origin: String,
    lines: BTreeMap<String, usize>,
    /// The patterns of endpoints came from flags.
    pub(super) endpoints_flag: bool,
}

impl Marks {
    /// Notes the line of every option of a document.
    pub(super) fn of(origin: String, root: &Node) -> Self {
        Self {
            lines: lines_of(root),
            origin,
            endpoints_flag: false,
        }
    }

    /// Returns where an option stands.
    pub(super) fn place(&self, path: &str) -> Place {
        Place {
            origin: self.origin.clone(),
            line: self.lines.get(path).copied(),
        }
    }

    /// Returns whether the file has the option.
    pub(super) fn has(&self, path: &str) -> bool {
        self.lines.contains_key(path)
    }

    /// Reads the value of an option.
    pub(super) fn read<'de, T: Deserialize<'de>>(
        &self,
        node: &'de Node,
        path: &str,
    ) -> Result<T, ConfigError> {
        read(node, path).map_err(|fault| ConfigError::from_fault(&self.origin, fault))
    }

    /// Reads the options of a component, of which some were taken off (`type`, and a sink's `inputs`,
    /// `upkeep`, `fold` and `guard`) but are valid names all the same.
    pub(super) fn read_component<'de, T: Deserialize<'de>>(
        &self,
        node: &'de Node,
        path: &str,
    ) -> Result<T, ConfigError> {
        read(node, path).map_err(|mut fault| {
            if let FaultKind::UnknownOption { valid, .. } = &mut fault.kind
                && fault.path.as_deref() == Some(path)
            {
                valid.push("type");
                if path.starts_with("sinks.") {
                    valid.extend(["inputs", "upkeep", "fold", "guard"]);
                }
            }
            ConfigError::from_fault(&self.origin, fault)
        })
    }

    /// Makes the error for an option whose value cannot be used.
    pub(super) fn invalid(&self, path: &str, problem: &str) -> ConfigError {
        let place: Place = self.place(path);
        ConfigError::Invalid {
            place,
            path: path.to_owned(),
            problem: problem.to_owned(),
        }
    }
}

/// Collects the line of every option by its path.
fn lines_of(root: &Node) -> BTreeMap<String, usize> {
    fn collect(node: &Node, path: &str, lines: &mut BTreeMap<String, usize>) {
        match &node.value {
            Value::List(items) => {
                for (position, item) in items.iter().enumerate() {
                    let path = format!("{path}[{position}]");
                    lines.extend(item.line.map(|line| (path.clone(), line)));
                    collect(item, &path, lines);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let path = join(path, &entry.key);
                    lines.extend(entry.line.map(|line| (path.clone(), line)));
                    collect(&entry.node, &path, lines);
                }
            }
            _ => {}
        }
    }
    let mut lines = BTreeMap::new();
    collect(root, "", &mut lines);
    lines
}
