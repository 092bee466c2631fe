//! The place where each option was set: a line of the file, or a flag.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

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

    /// Returns the error for a file that an option names and that cannot be read. The value is shown only if it is the path
    /// of something that is there: a value that is no path may be the secret itself.
    pub(super) fn unreadable(&self, path: &str, file: &Path, source: io::Error) -> ConfigError {
        let place = self.place(path);
        if std::fs::symlink_metadata(file).is_ok() {
            let path = format!("{path} {:?}", file.display().to_string());
            return ConfigError::FileUnreadable {
                place,
                path,
                source,
            };
        }
        let advice = if looks_like_a_secret(file) {
            "the value looks like the secret itself: write the secret into a file, run chmod 600 on that file, and give the path of the file here; a key that others may have seen has to be replaced at Kombo"
        } else {
            "give the path of a file that holds it; the value is not shown, because it may be the secret itself"
        };
        ConfigError::FileMissing {
            place,
            path: path.to_owned(),
            advice,
            source,
        }
    }

    /// Returns the configuration's file, as the user named it.
    pub(super) fn origin(&self) -> &Path {
        Path::new(&self.origin)
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

/// Returns whether a text is rather a key than a path: long, without a folder and without an extension, or the content of a
/// file.
fn looks_like_a_secret(text: &Path) -> bool {
    const SHORTEST: usize = 20;
    let Some(text) = text.to_str() else {
        return false;
    };
    let is_one_word = text.len() >= SHORTEST && !text.contains(['/', '\\', '.']);
    is_one_word || text.contains('\n') || text.starts_with("-----BEGIN")
}

fn titled(path: &str) -> String {
    if path.is_empty() {
        "the document".to_owned()
    } else {
        path.to_owned()
    }
}
