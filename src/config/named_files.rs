//! Checks every file that the configuration names, and who can read a configuration with secrets in it.

use std::path::Path;

use super::document::join;
use super::error::{ConfigError, ConfigWarning};
use super::secret::readable_by_others;
use super::section::SINKS;
use super::{API_KEY_VARIABLE, Config, secret};
use crate::delta::store::option_kind::OptionKind;

impl Config {
    /// Checks every file that the configuration names: it can be read, and holds what it should. No error shows what is in a
    /// file. Returns warnings about files that others can read, and about files that an environment variable replaces.
    pub fn check_named_files(&self) -> Result<Vec<ConfigWarning>, ConfigError> {
        let mut warnings =
            self.check_api_key_file(secret::variable(API_KEY_VARIABLE).as_deref())?;
        warnings.extend(self.check_tls_files()?);
        warnings.extend(self.check_webhook_secrets()?);
        warnings.extend(self.check_store_files()?);
        Ok(warnings)
    }

    /// A missing API key is no error here: the program that runs may have another environment.
    pub(super) fn check_api_key_file(
        &self,
        variable: Option<&str>,
    ) -> Result<Vec<ConfigWarning>, ConfigError> {
        match self.api_key_from(variable) {
            Ok((_, warning)) => Ok(Vec::from_iter(warning)),
            Err(ConfigError::NoApiKey { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Checks that the files with credentials that the options of the store name can be read.
    pub fn check_store_files(&self) -> Result<Vec<ConfigWarning>, ConfigError> {
        let mut warnings = Vec::new();
        for (key, value) in &self.sink.lake.options {
            if OptionKind::of(key, value) != OptionKind::File {
                continue;
            }
            let (path, file) = (self.option_path(key), Path::new(value));
            let opened = std::fs::File::open(file);
            opened.map_err(|error| self.places.unreadable(&path, file, error))?;
            if readable_by_others(file) {
                let file = value.clone();
                warnings.push(ConfigWarning::SecretReadableByOthers { file });
            }
        }
        Ok(warnings)
    }

    /// Returns a warning if an option of the store is a secret and other users can read the configuration. Its own text has
    /// no other place for a secret.
    #[must_use]
    pub fn secrets_in_text(&self) -> Option<ConfigWarning> {
        let mut options = self.sink.lake.options.iter();
        let (key, _) =
            options.find(|(key, value)| OptionKind::of(key, value) == OptionKind::Secret)?;
        let file = self.places.origin();
        readable_by_others(file).then(|| ConfigWarning::OptionReadableByOthers {
            file: file.display().to_string(),
            path: self.option_path(key),
        })
    }

    fn option_path(&self, key: &str) -> String {
        join(&join(&join(SINKS.key, &self.sink.name), "options"), key)
    }
}
