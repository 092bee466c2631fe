//! The place where each option was set: a line of the file, or a flag.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;

use super::document::{DocumentNode, join};
use super::error::{ConfigError, Place, advice};
use super::fault::Fault;
use crate::setting::BadSetting;

/// The place of each option, so that later checks can name it in their errors.
#[derive(Clone, Debug)]
pub(super) struct Places {
    origin: String,
    lines: BTreeMap<String, usize>,
    flags: BTreeMap<String, &'static str>,
}

impl Places {
    /// Records the line of every option of a document.
    pub(super) fn of(origin: &str, root: &DocumentNode) -> Self {
        let mut lines = BTreeMap::new();
        let noted: Result<(), ()> = root.walk("", &mut |path, node| {
            lines.extend(node.line.map(|line| (path.to_owned(), line)));
            Ok(())
        });
        noted.expect("nothing is refused");
        Self {
            origin: origin.to_owned(),
            lines,
            flags: BTreeMap::new(),
        }
    }

    /// Records that a flag set an option.
    pub(super) fn said_by_flag(&mut self, path: String, flag: &'static str) {
        self.flags.insert(path, flag);
    }

    /// Returns the place of an option in the file.
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

    /// Returns the error for an option whose value cannot be used. It names the flag, or the line of the file.
    pub(super) fn invalid(&self, path: &str, problem: impl Into<String>) -> ConfigError {
        let problem = problem.into();
        let option = path.split('[').next().unwrap_or_default();
        match self.flags.get(option) {
            Some(flag) => ConfigError::Flag { flag, problem },
            None => ConfigError::Invalid {
                place: self.place(path),
                path: titled(path),
                problem,
            },
        }
    }

    /// Returns the error for a file that an option names and that cannot be read.
    pub(super) fn unreadable(&self, path: &str, shown: &str, source: io::Error) -> ConfigError {
        ConfigError::FileUnreadable {
            place: self.place(path),
            path: format!("{path} {shown:?}"),
            source,
        }
    }

    /// Returns the error for a required option that is missing below `section`.
    pub(super) fn missing(&self, section: &str, path: String, advice: String) -> ConfigError {
        let place = self.place(section);
        ConfigError::Missing {
            place,
            path,
            advice,
        }
    }

    /// Returns a function that adds the path of a section to the error of its check.
    pub(super) fn refused(&self, section: &str) -> impl Fn(BadSetting) -> ConfigError {
        move |bad| self.invalid(&join(section, &bad.option), bad.problem)
    }

    /// Reads the settings at a path. `besides` are further valid names, which the caller has removed from the node before.
    pub(super) fn read<'de, T: Deserialize<'de>>(
        &self,
        node: &'de DocumentNode,
        path: &str,
        besides: &[&'static str],
    ) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(node).map_err(|error| {
            let below = error.path().to_string();
            let at = match below.as_str() {
                "." => path.to_owned(),
                item if item.starts_with('[') => format!("{path}{item}"),
                name => join(path, name),
            };
            match error.into_inner() {
                Fault::UnknownOption { name, valid } => {
                    let besides = if below == name { besides } else { &[] };
                    let within = at.strip_suffix(name.as_str()).unwrap_or_default();
                    ConfigError::UnknownOption {
                        place: self.place(&at),
                        within: titled(within.trim_end_matches('.')),
                        advice: advice(&name, &[valid, besides].concat()),
                        name,
                    }
                }
                Fault::Missing { name } => {
                    self.missing(&at, join(&at, name), format!("add {name} there"))
                }
                Fault::Unusable(problem) => self.invalid(&at, problem),
            }
        })
    }
}

fn titled(path: &str) -> String {
    if path.is_empty() {
        "the document".to_owned()
    } else {
        path.to_owned()
    }
}
