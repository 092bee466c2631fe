//! Secrets: from the environment or a file, never from the configuration's own text.

use std::path::Path;

use super::error::{ConfigError, ConfigWarning, Place};

/// The environment variable with the API key.
pub const API_KEY_VARIABLE: &str = "KOMBO_API_KEY";

/// What a secret's file says, and what should be looked at.
pub(super) struct SecretFile {
    pub(super) text: String,
    pub(super) warning: Option<ConfigWarning>,
}

/// Reads a secret from its file: its text without the white space around it.
pub(super) fn read_secret(
    file: &Path,
    place: &Place,
    path: &str,
) -> Result<SecretFile, ConfigError> {
    let shown = file.display().to_string();
    let unreadable = |source| ConfigError::SecretUnreadable {
        place: place.clone(),
        path: format!("{path} {shown:?}"),
        source,
    };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let text = checked(&text).map_err(|problem| ConfigError::Invalid {
        place: place.clone(),
        path: path.to_owned(),
        problem: format!("names the file {shown:?}, which {problem}"),
    })?;
    let warning =
        readable_by_others(file).then_some(ConfigWarning::SecretReadableByOthers { file: shown });
    Ok(SecretFile { text, warning })
}

/// Trims a secret; answers what is wrong with it, without the text.
pub(super) fn checked(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("holds a space or a character that is not visible ASCII");
    }
    Ok(text.to_owned())
}

#[cfg(unix)]
fn readable_by_others(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_file: &Path) -> bool {
    false
}
