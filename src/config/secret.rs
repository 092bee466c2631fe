//! Secrets: from the environment or a file, never from the configuration's own text.

use std::fmt::Display;
use std::path::Path;

use super::error::{ConfigError, ConfigWarning};
use super::places::Places;

/// The environment variable with the API key.
pub const API_KEY_VARIABLE: &str = "KOMBO_API_KEY";

/// The environment variable with the webhook secret.
pub const WEBHOOK_SECRET_VARIABLE: &str = "KOMBO_WEBHOOK_SECRET";

/// The environment variable with a second webhook secret, while Kombo's is changed.
pub const WEBHOOK_OTHER_SECRET_VARIABLE: &str = "KOMBO_WEBHOOK_OTHER_SECRET";

/// Reads an environment variable. What is not text becomes something no check lets pass.
pub(super) fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string();
    Some(value.unwrap_or_else(|_| "\u{fffd}".to_owned()))
}

/// Where a secret may come from.
pub(super) struct Sources<'a> {
    /// The name of the environment variable, and its value.
    pub(super) variable: (&'static str, Option<&'a str>),
    /// The file, where one is named.
    pub(super) file: Option<&'a Path>,
    /// The dotted path of the option that names it.
    pub(super) path: &'a str,
}

/// Takes a secret from its environment variable, or else from its file, and makes of it what it is for; `None` where there
/// is neither. What cannot be made of it is told with where it stands.
pub(super) fn find<T, E: Display>(
    sources: &Sources<'_>,
    places: &Places,
    make: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<(T, Option<ConfigWarning>)>, ConfigError> {
    let read = |text: &str| {
        let text = checked(text).map_err(str::to_owned)?;
        make(text).map_err(|problem| problem.to_string())
    };
    let (flag, value) = sources.variable;
    // An empty variable is how a container says that there is none.
    if let Some(text) = value.filter(|text| !text.trim().is_empty()) {
        let secret = read(text).map_err(|problem| ConfigError::Flag { flag, problem })?;
        return Ok(Some((secret, None)));
    }
    let Some(file) = sources.file else {
        return Ok(None);
    };
    let (path, shown) = (sources.path, file.display().to_string());
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| places.unreadable(path, &shown, error))?;
    let secret = read(&text).map_err(|problem| ConfigError::Invalid {
        place: places.place(path),
        path: path.to_owned(),
        problem: format!("names the file {shown:?}, which {problem}"),
    })?;
    let is_open = readable_by_others(file);
    let warning = is_open.then_some(ConfigWarning::SecretReadableByOthers { file: shown });
    Ok(Some((secret, warning)))
}

/// Trims a secret; answers what is wrong with it, without the text.
fn checked(text: &str) -> Result<&str, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("holds a space or a character that is not visible ASCII");
    }
    Ok(text)
}

/// Returns whether other users of the machine can read a file.
#[cfg(unix)]
pub(super) fn readable_by_others(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
}

/// Returns whether other users of the machine can read a file; not known here.
#[cfg(not(unix))]
pub(super) fn readable_by_others(_file: &Path) -> bool {
    false
}
