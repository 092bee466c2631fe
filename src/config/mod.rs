//! Finds the configuration file, reads it, puts flags above it, and finds the secrets beside it.
//!
//! Habits are Vector's: sources and sinks by name with `type` and `inputs`, unknown keys are errors, variables inside
//! values are not replaced. A slip costs most at night, so every error names the file, the line, the option and the way out.
//!
//! No setting is at home here. Each section of the file is a struct beside the code that it steers, with its defaults
//! and what a value has to be; what two sections have to agree on is checked in `assemble`: [`SourceSettings`], [`LakeSettings`], [`TelemetrySettings`] and what they hold. `document` turns YAML (JSON is
//! some of it) into a tree with lines, `reader` lets serde read structs out of the tree, and `fault` puts into words what it
//! could not read; `places` remembers the lines. `section` takes the one source and the one sink, and `assemble` puts the
//! [`Overrides`] above them and asks each struct to check itself. `endpoints` knows what the endpoint patterns mean for a
//! catalog. [`generate()`] prints the commented default.

mod assemble;
mod document;
mod endpoints;
mod error;
mod fault;
mod overrides;
mod places;
mod reader;
mod secret;
mod section;
mod tls;

pub use error::{ConfigError, ConfigWarning, Place};
pub use overrides::Overrides;
pub use secret::{API_KEY_VARIABLE, WEBHOOK_OTHER_SECRET_VARIABLE, WEBHOOK_SECRET_VARIABLE};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::ApiKey;
use crate::catalog::{Catalog, Endpoint};
use crate::lake::{LakeSettings, UpkeepSettings};
use crate::listener::TelemetrySettings;
use crate::service::SourceSettings;
use crate::webhook::{Verifier, WebhookSecret};

use document::DocumentNode;
use places::Places;

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
    places: Places,
}

/// A sink of type `delta_lake`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSettings {
    /// Its name under `sinks`.
    pub name: String,
    /// Where the lake is, and how it is written, folded and kept up.
    pub lake: LakeSettings,
}

impl Config {
    /// Reads the file and puts the overrides above it.
    ///
    /// Without a path this is [`DEFAULT_FILE`] in the working folder; when that is absent, the overrides must be enough.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let (origin, text) = match path {
            Some(path) => (path, Some(read(path)?)),
            None => default_file(Path::new(DEFAULT_FILE))?,
        };
        Self::from_text(origin, text.as_deref(), overrides)
    }

    /// Takes flags alone, without looking for a file.
    pub fn from_overrides(overrides: &Overrides) -> Result<Self, ConfigError> {
        assemble::from_overrides(overrides)
    }

    /// Reads a document that is in memory; `origin` is its name in errors, and its extension tells the format. `None` is
    /// a file that is not there.
    fn from_text(
        origin: &Path,
        text: Option<&str>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let Some(text) = text else {
            return assemble::from_overrides(overrides);
        };
        let path = origin.display().to_string();
        let extension = origin.extension().unwrap_or_default();
        let is_json = match extension.to_ascii_lowercase().to_str() {
            Some("yaml" | "yml") => false,
            Some("json") => true,
            Some("toml") => return Err(ConfigError::Toml { path }),
            _ => return Err(ConfigError::UnknownFormat { path }),
        };
        let root = DocumentNode::parse(text, is_json).map_err(|error| ConfigError::Syntax {
            place: Place {
                origin: path,
                line: error.line,
            },
            reason: error.reason,
        })?;
        assemble::from_document(origin, root, overrides)
    }

    /// Returns how the lake is kept up: what the sink's options leave open follows from the schedule.
    #[must_use]
    pub fn upkeep(&self) -> UpkeepSettings {
        let upkeep = &self.sink.lake.upkeep;
        upkeep.with_snapshots_every(self.source.schedule.full_interval)
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
        let key = secret::find(&sources, &self.places, ApiKey::new)?;
        key.ok_or_else(|| ConfigError::NoApiKey {
            source_name: self.source.name.clone(),
        })
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
            secret::find(&sources, &self.places, WebhookSecret::new)
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
    pub fn select(&self, catalog: &Catalog) -> Result<Vec<Arc<Endpoint>>, ConfigError> {
        let patterns = &self.source.endpoints;
        endpoints::selected(patterns, catalog).map_err(|(position, problem)| {
            let path = format!("sources.{}.endpoints[{position}]", self.source.name);
            let problem = format!("{:?} {problem}", patterns[position]);
            self.places.invalid(&path, problem)
        })
    }
}

/// Returns the text for `kombo-source generate`: every option with its default and a reason.
#[must_use]
pub fn generate() -> &'static str {
    include_str!("kombo.yaml")
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
