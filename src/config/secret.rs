//! Secrets: from the environment or a file, never from the configuration's own text.

use std::fmt::Display;
use std::path::Path;

use super::error::{ConfigError, ConfigWarning, Place};
use super::places::Places;

/// The environment variable with the API key.
pub const API_KEY_VARIABLE: &str = "KOMBO_API_KEY";

/// The environment variable with the webhook secret.
pub const WEBHOOK_SECRET_VARIABLE: &str = "KOMBO_WEBHOOK_SECRET";

/// The environment variable with a second webhook secret, while Kombo's is changed.
pub const WEBHOOK_OTHER_SECRET_VARIABLE: &str = "KOMBO_WEBHOOK_OTHER_SECRET";

/// Reads an environment variable. What is not text becomes something no check lets pass.
pub(super) fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    Some(
        value
            .into_string()
            .unwrap_or_else(|_| "\u{fffd}".to_owned()),
    )
}

/// A secret's text, and what should be looked at.
pub(super) struct Secret {
    pub(super) text: String,
    /// The file that holds it; `None` where a variable does.
    file: Option<String>,
    pub(super) warning: Option<ConfigWarning>,
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

/// Takes a secret as [`find`] does, and makes of it what it is for. What cannot be made of it is told with where it stands.
pub(super) fn find_as<T, E: Display>(
    sources: &Sources<'_>,
    places: &Places,
    make: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<(T, Option<ConfigWarning>)>, ConfigError> {
    let Some(Secret {
        text,
        file,
        warning,
    }) = find(sources, places)?
    else {
        return Ok(None);
    };
    let secret = make(&text).map_err(|problem| match &file {
        None => in_variable(sources.variable.0, &problem),
        Some(shown) => in_file(&places.place(sources.path), sources.path, shown, &problem),
    });
    Ok(Some((secret?, warning)))
}

/// Takes a secret from its environment variable, or else from its file; `None` where there is neither.
pub(super) fn find(sources: &Sources<'_>, places: &Places) -> Result<Option<Secret>, ConfigError> {
    let (name, value) = sources.variable;
    // An empty variable is how a container says that there is none.
    if let Some(text) = value.filter(|text| !text.trim().is_empty()) {
        let text = checked(text).map_err(|problem| in_variable(name, &problem))?;
        let (file, warning) = (None, None);
        return Ok(Some(Secret {
            text,
            file,
            warning,
        }));
    }
    let path = sources.path;
    let read = |file| read_secret(file, &places.place(path), path);
    sources.file.map(read).transpose()
}

/// Reads a secret from its file: its text without the white space around it.
pub(super) fn read_secret(file: &Path, place: &Place, path: &str) -> Result<Secret, ConfigError> {
    let shown = file.display().to_string();
    let unreadable = |source| ConfigError::FileUnreadable {
        place: place.clone(),
        path: format!("{path} {shown:?}"),
        source,
    };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let text = checked(&text).map_err(|problem| in_file(place, path, &shown, &problem))?;
    let is_open = readable_by_others(file);
    let warning = is_open.then(|| ConfigWarning::SecretReadableByOthers {
        file: shown.clone(),
    });
    Ok(Secret {
        text,
        file: Some(shown),
        warning,
    })
}

fn in_variable(name: &'static str, problem: &dyn Display) -> ConfigError {
    ConfigError::Flag {
        flag: name,
        problem: problem.to_string(),
    }
}

fn in_file(place: &Place, path: &str, shown: &str, problem: &dyn Display) -> ConfigError {
    ConfigError::Invalid {
        place: place.clone(),
        path: path.to_owned(),
        problem: format!("names the file {shown:?}, which {problem}"),
    }
}

/// Trims a secret; answers what is wrong with it, without the text.
fn checked(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("holds a space or a character that is not visible ASCII");
    }
    Ok(text.to_owned())
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
