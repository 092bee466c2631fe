//! What the program is told: one file, flags above it, secrets beside it.
//!
//! Habits are Vector's: sources and sinks by name with `type` and `inputs`, unknown keys are errors, variables inside
//! values are not replaced. A slip costs most at night, so every error names the file, the line, the option and the way out.
//!
//! `document` turns YAML, TOML or JSON into one tree with lines, `reader` reads settings out of it through serde and says
//! in a `fault` what it could not read, `marks` remembers the lines, `section` takes the one source and the one sink, and
//! `assemble` puts the [`Overrides`] above them. [`SourceSettings`], [`SinkSettings`] and [`TelemetrySettings`] are the
//! result, with what only goes together checked in `listening` and `upkeep`; [`Selection`] is what the endpoint patterns
//! mean for a catalog. [`generate()`] prints the commented default.

mod assemble;
mod chores;
mod document;
mod endpoints;
mod error;
mod fault;
mod fold;
mod generate;
mod guard;
mod listening;
mod marks;
mod overrides;
mod reader;
mod secret;
mod section;
mod sink;
mod source;
mod telemetry;
mod upkeep;
mod webhook;

pub use endpoints::Selection;
pub use error::{ConfigError, ConfigWarning, Place};
pub use fold::FoldOptions;
pub use generate::generate;
pub use guard::GuardOptions;
pub use overrides::Overrides;
pub use secret::{API_KEY_VARIABLE, WEBHOOK_OTHER_SECRET_VARIABLE, WEBHOOK_SECRET_VARIABLE};
pub use sink::SinkSettings;
pub use source::{ScheduleSettings, SourceSettings};
pub use telemetry::TelemetrySettings;
pub use upkeep::UpkeepSettings;
pub use webhook::{TlsSettings, WebhookSettings};

use std::path::{Path, PathBuf};

use crate::api::ApiKey;
use crate::catalog::Catalog;
use crate::webhook::{Verifier, WebhookSecret};

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
    /// Where the service says how it is.
    pub telemetry: TelemetrySettings,
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
        self.api_key_from(secret::variable(API_KEY_VARIABLE).as_deref())
    }

    fn api_key_from(
        &self,
        variable: Option<&str>,
    ) -> Result<(ApiKey, Option<ConfigWarning>), ConfigError> {
        let sources = secret::Sources {
            variable: (API_KEY_VARIABLE, variable),
            file: self.source.api_key_file.as_deref(),
            path: &format!("sources.{}.api_key_file", self.source.name),
        };
        let secret = secret::find(&sources, &self.marks)?;
        let secret = secret.ok_or_else(|| ConfigError::NoApiKey {
            source_name: self.source.name.clone(),
        })?;
        let key = ApiKey::new(&secret.text).expect("a checked secret is visible ASCII");
        Ok((key, secret.warning))
    }

    /// Returns what tells Kombo's webhooks from everybody else's, and what should be looked at: from
    /// `$KOMBO_WEBHOOK_SECRET` and `$KOMBO_WEBHOOK_OTHER_SECRET`, or else from the files that `secret_file` and
    /// `other_secret_file` name. `None` when no webhooks are to come in.
    pub fn webhook_verifier(&self) -> Result<Option<(Verifier, Vec<ConfigWarning>)>, ConfigError> {
        let variables = [WEBHOOK_SECRET_VARIABLE, WEBHOOK_OTHER_SECRET_VARIABLE];
        let values = variables.map(secret::variable);
        self.webhook_verifier_from(values.each_ref().map(Option::as_deref))
    }

    fn webhook_verifier_from(
        &self,
        [variable, other_variable]: [Option<&str>; 2],
    ) -> Result<Option<(Verifier, Vec<ConfigWarning>)>, ConfigError> {
        let Some(webhook) = &self.source.webhook else {
            return Ok(None);
        };
        let find = |variable, file: &Option<PathBuf>, option| {
            let sources = secret::Sources {
                variable,
                file: file.as_deref(),
                path: &format!("sources.{}.webhook.{option}", self.source.name),
            };
            secret::find_as(&sources, &self.marks, WebhookSecret::new)
        };
        let first = (WEBHOOK_SECRET_VARIABLE, variable);
        let other = (WEBHOOK_OTHER_SECRET_VARIABLE, other_variable);
        let secret = find(first, &webhook.secret_file, "secret_file")?;
        let (secret, warning) = secret.ok_or_else(|| ConfigError::NoWebhookSecret {
            source_name: self.source.name.clone(),
        })?;
        let other = find(other, &webhook.other_secret_file, "other_secret_file")?;
        let mut verifier = Verifier::new(secret);
        let mut warnings = Vec::from_iter(warning);
        if let Some((other, warning)) = other {
            verifier = verifier.with_other(other);
            warnings.extend(warning);
        }
        Ok(Some((verifier, warnings)))
    }

    /// Checks the webhook secrets that there are, for those who do not listen: none at all is fine for them.
    pub fn check_webhook_secrets(&self) -> Result<Vec<ConfigWarning>, ConfigError> {
        match self.webhook_verifier() {
            Ok(found) => Ok(found.map(|(_, warnings)| warnings).unwrap_or_default()),
            Err(ConfigError::NoWebhookSecret { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
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
