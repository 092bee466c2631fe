//! Finds and reads the configuration file, applies flags over it, and reads the secrets.
//!
//! The form follows Vector: sources and sinks have a name, a `type` and `inputs`; an unknown key is an error; variables
//! inside values are not replaced. Every error names the file, the line, the option and the cure.
//!
//! This room defines no setting. Each section of the file is a struct beside the code that it steers, with its defaults,
//! its checks and the sentences of the manual: [`SourceSettings`], [`LakeSettings`], [`TelemetrySettings`] and the structs
//! in them. A change of such a struct changes the file, `docs/configuration.md` and the output of [`generate()`]; a test
//! compares them.
//!
//! | File | What it does |
//! | --- | --- |
//! | `document` | parses YAML, of which JSON is a part, into a tree that keeps line numbers |
//! | `reader`, `fault` | let serde read structs out of the tree, and word what serde cannot read |
//! | `places` | remembers the line, or the flag, of each option |
//! | `section` | takes the one source and the one sink |
//! | `assemble` | applies the [`Overrides`], lets each struct check itself, and checks what two sections have to agree on |
//! | `endpoints` | matches the endpoint patterns with a catalog |
//! | `written_settings` | says after a reload which settings have changed, old and new |
//! | `integrations_file` | reads the file with one integration id a line |
//! | `secret`, `tls` | read the files with secrets and certificates |
//! | `named_files` | checks every file that the configuration names, and who can read a configuration with secrets |
//!
//! No error and no log line quotes a value that could be a secret.

mod assemble;
mod document;
mod endpoints;
mod error;
mod fault;
mod integrations_file;
mod named_files;
mod overrides;
mod places;
mod reader;
mod secret;
mod section;
mod tls;
mod written_settings;

pub(crate) use endpoints::glob_matches;
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
use written_settings::WrittenSettings;

/// The file that is read when neither a flag nor a variable names one.
pub const DEFAULT_FILE: &str = "kombo.yaml";

/// The complete configuration, without secrets.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of local state. Losing the folder costs time, never rows.
    pub data_dir: PathBuf,
    /// The source: where rows come from.
    pub source: SourceSettings,
    /// The sink: where rows go.
    pub sink: SinkSettings,
    /// The address of health and metrics.
    pub telemetry: TelemetrySettings,
    places: Places,
    written: WrittenSettings,
}

/// A sink of type `delta_lake`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSettings {
    /// Name of the sink under `sinks`.
    pub name: String,
    /// Settings of the lake: location, writing, folding and upkeep.
    pub lake: LakeSettings,
}

impl Config {
    /// Reads the configuration file and applies the overrides.
    ///
    /// Without a path the file is [`DEFAULT_FILE`] in the working folder. Without that file, the overrides have to name at
    /// least the lake.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let (origin, text) = match path {
            Some(path) => (path, Some(read(path)?)),
            None => default_file(Path::new(DEFAULT_FILE))?,
        };
        Self::from_text(origin, text.as_deref(), overrides)
    }

    /// Builds a configuration from overrides and defaults, without a file.
    pub fn from_overrides(overrides: &Overrides) -> Result<Self, ConfigError> {
        assemble::from_overrides(overrides)
    }

    /// Reads a document from memory. `origin` is its name in errors, and the extension decides the format. `None` means that
    /// there is no file.
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

    /// Returns each setting that differs from an older configuration, as `path: old → new`. Shows no value that may be a secret.
    #[must_use]
    pub fn changes_from(&self, old: &Self) -> Vec<String> {
        self.written.changes_from(&old.written)
    }

    /// Returns the upkeep settings. A grace that the sink leaves open follows from the interval of full fetches.
    #[must_use]
    pub fn upkeep(&self) -> UpkeepSettings {
        let upkeep = &self.sink.lake.upkeep;
        upkeep.with_snapshots_every(self.source.schedule.full_interval)
    }

    /// Returns the API key, from `$KOMBO_API_KEY` or else from the file that `api_key_file` names, and a warning if others can
    /// read that file.
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

    /// Returns from where [`Self::api_key`] takes the key, in words: the variable or the file. Shows no key.
    #[must_use]
    pub fn api_key_origin(&self) -> String {
        let variable = secret::variable(API_KEY_VARIABLE);
        let file = self.source.api_key_file.as_deref();
        secret::origin((API_KEY_VARIABLE, variable.as_deref()), file)
    }

    /// Returns the verifier of webhook signatures, and warnings about secret files that others can read.
    ///
    /// The secrets come from `$KOMBO_WEBHOOK_SECRET` and `$KOMBO_WEBHOOK_OTHER_SECRET`, or else from the files that
    /// `secret_file` and `other_secret_file` name. Returns `None` when no webhook listener is configured.
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
        let mut origin = secret::origin(first, webhook.secret_file.as_deref());
        let mut verifier = Verifier::new(secret);
        let mut warnings = Vec::from_iter(warning);
        if let Some((secret, warning)) = other {
            verifier = verifier.with_other(secret);
            warnings.extend(warning);
            let other = (WEBHOOK_OTHER_SECRET_VARIABLE, other_variable);
            let other = secret::origin(other, webhook.other_secret_file.as_deref());
            origin = format!("{origin} and with {other}");
        }
        Ok(Some((verifier.with_origin(origin), warnings)))
    }

    /// Checks the webhook secrets that are given, for commands that do not listen. A missing secret is no error for them.
    pub fn check_webhook_secrets(&self) -> Result<Vec<ConfigWarning>, ConfigError> {
        match self.webhook_verifier() {
            Ok(found) => Ok(found.map(|(_, warnings)| warnings).unwrap_or_default()),
            Err(ConfigError::NoWebhookSecret { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Returns the endpoints of a catalog that the source fetches, in the catalog's order.
    pub fn select(&self, catalog: &Catalog) -> Result<Vec<Arc<Endpoint>>, ConfigError> {
        let patterns = &self.source.endpoints;
        endpoints::selected(patterns, catalog).map_err(|(position, problem)| {
            let path = format!("sources.{}.endpoints[{position}]", self.source.name);
            let problem = format!("{:?} {problem}", patterns[position]);
            self.places.invalid(&path, problem)
        })
    }
}

/// Returns the text that `kombo-source generate` prints: every option with its default and its meaning.
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
