//! What the program is told: one file, flags above it, secrets beside it.
//!
//! Habits are Vector's: sources and sinks by name with `type` and `inputs`, unknown keys are errors, variables inside
//! values are not replaced. A slip costs most at night, so every error names the file, the line, the option and the way out.
//!
//! `document` turns YAML, TOML or JSON into one tree with lines, `reader` reads settings out of it through serde and says
//! in a `fault` what it could not read, `marks` remembers the lines, `section` takes the one source and the one sink, and
//! `assemble` puts the [`Overrides`] above them. [`SourceSettings`] and
//! [`SinkSettings`] are the result; [`Selection`] is what the endpoint patterns mean for a catalog. [`generate()`] prints
//! the commented default.

mod assemble;
mod document;
mod endpoints;
mod error;
mod fault;
mod generate;
mod marks;
mod overrides;
mod reader;
mod secret;
mod section;
mod sink;
mod source;

pub use endpoints::Selection;
pub use error::{ConfigError, ConfigWarning, Place};
pub use generate::generate;
pub use overrides::Overrides;
pub use secret::API_KEY_VARIABLE;
pub use sink::SinkSettings;
pub use source::{ScheduleSettings, SourceSettings, WebhookSettings};

use std::path::{Path, PathBuf};

use crate::api::ApiKey;
use crate::catalog::Catalog;

use document::{Format, Node};
use marks::Marks;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "kombo.yaml";

/// Everything the program is told, but for secrets.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the program keeps small files of its own. Losing it costs time, never rows.
    pub data_dir: PathBuf,
    /// Where rows come from.
    pub source: SourceSettings,
    /// Where rows go.
    pub sink: SinkSettings,
    marks: Marks,
}

impl Config {
    /// Reads the file and puts the overrides above it.
    ///
    /// Without a path this is [`DEFAULT_FILE`] in the working folder; when that is absent, the overrides must be enough.
    pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let (origin, text) = match path {
            Some(path) => (path, Some(read(path)?)),
            None => default_file(Path::new(DEFAULT_FILE))?,
        };
        Self::from_text(origin, text.as_deref(), overrides)
    }

    /// Takes flags alone, without looking for a file.
    pub fn from_overrides(overrides: Overrides) -> Result<Self, ConfigError> {
        assemble::from_overrides(overrides)
    }

    /// Reads a document that is in memory; `origin` is its name in errors, and its extension tells the format. `None` is
    /// a file that is not there.
    fn from_text(
        origin: &Path,
        text: Option<&str>,
        overrides: Overrides,
    ) -> Result<Self, ConfigError> {
        let name = origin.display().to_string();
        let Some(text) = text else {
            return assemble::from_overrides(overrides);
        };
        let format = origin
            .extension()
            .and_then(|extension| Format::of_extension(extension.to_str()?))
            .ok_or_else(|| ConfigError::UnknownFormat { path: name.clone() })?;
        let root = Node::parse(text, format).map_err(|error| ConfigError::Syntax {
            place: Place {
                origin: name.clone(),
                line: error.line,
            },
            reason: error.reason,
        })?;
        assemble::from_document(name, root, overrides)
    }

    /// Returns the API key: from `$KOMBO_API_KEY`, or else from the file that `api_key_file` names.
    pub fn api_key(&self) -> Result<(ApiKey, Option<ConfigWarning>), ConfigError> {
        let variable = std::env::var_os(API_KEY_VARIABLE).map(|value| {
            value
                .into_string()
                .unwrap_or_else(|_| "\u{fffd}".to_owned())
        });
        self.api_key_from(variable.as_deref())
    }

    fn api_key_from(
        &self,
        variable: Option<&str>,
    ) -> Result<(ApiKey, Option<ConfigWarning>), ConfigError> {
        let path = format!("sources.{}.api_key_file", self.source.name);
        let key = |text: &str| ApiKey::new(text).expect("a checked secret is visible ASCII");
        // An empty variable is how a container says that there is none.
        if let Some(text) = variable.filter(|text| !text.trim().is_empty()) {
            let text = secret::checked(text).map_err(|problem| ConfigError::Flag {
                flag: API_KEY_VARIABLE,
                problem: problem.to_owned(),
            })?;
            return Ok((key(&text), None));
        }
        let Some(file) = &self.source.api_key_file else {
            return Err(ConfigError::NoApiKey {
                source_name: self.source.name.clone(),
            });
        };
        let secret = secret::read_secret(file, &self.marks.place(&path), &path)?;
        Ok((key(&secret.text), secret.warning))
    }

    /// Works out which endpoints of a catalog the source fetches.
    pub fn select(&self, catalog: &Catalog) -> Result<Selection, ConfigError> {
        let patterns = &self.source.endpoints;
        Selection::of(patterns, catalog).map_err(|(position, problem)| {
            let problem = format!("{:?} {problem}", patterns[position]);
            if self.marks.endpoints_flag {
                return ConfigError::Flag {
                    flag: "--endpoint",
                    problem,
                };
            }
            let path = format!("sources.{}.endpoints[{position}]", self.source.name);
            ConfigError::Invalid {
                place: self.marks.place(&path),
                path,
                problem,
            }
        })
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.display().to_string(),
        source,
    })
}

fn default_file(path: &Path) -> Result<(&Path, Option<String>), ConfigError> {
    match read(path) {
        Err(ConfigError::Unreadable { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok((path, None))
        }
        text => Ok((path, Some(text?))),
    }
}

#[cfg(test)]
mod tests;
