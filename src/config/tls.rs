//! Checks of the files for TLS.

use std::path::Path;

use super::Config;
use super::error::{ConfigError, ConfigWarning};
use super::places::Places;
use super::secret::readable_by_others;

impl Config {
    /// Checks that certificate and key can be read and are PEM of the right kind. Returns a warning if other users can read
    /// the key. Whether key and certificate belong together shows when the listener starts.
    pub fn check_tls_files(&self) -> Result<Option<ConfigWarning>, ConfigError> {
        let source = &self.source;
        let webhook = source.webhook.as_ref();
        let Some(tls) = webhook.and_then(|webhook| webhook.tls.as_ref()) else {
            return Ok(None);
        };
        for (file, what, option) in [
            (&tls.crt_file, "certificate", "crt_file"),
            (&tls.key_file, "private key", "key_file"),
        ] {
            let path = format!("sources.{}.webhook.tls.{option}", source.name);
            check_pem(file, what, &path, &self.places)?;
        }
        let file = tls.key_file.display().to_string();
        Ok(readable_by_others(&tls.key_file)
            .then_some(ConfigWarning::SecretReadableByOthers { file }))
    }
}

/// Checks that a file has the first line of a PEM block of a kind. The line may name more, such as
/// `-----BEGIN RSA PRIVATE KEY-----` for a `PRIVATE KEY`.
fn check_pem(file: &Path, what: &str, path: &str, places: &Places) -> Result<(), ConfigError> {
    let shown = file.display().to_string();
    let bytes = std::fs::read(file);
    let bytes = bytes.map_err(|error| places.unreadable(path, file, error))?;
    let text = String::from_utf8_lossy(&bytes);
    let end = format!("{}-----", what.to_uppercase());
    let begins = |line: &str| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&end);
    if text.lines().any(begins) {
        return Ok(());
    }
    let problem = format!("names the file {shown:?}, which holds no {what}; it must be in PEM");
    Err(places.invalid(path, problem))
}
