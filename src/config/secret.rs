//! Reads secrets from the environment or from a file. The configuration's own text never holds a secret.

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

/// Reads an environment variable. A value that is not text becomes a character that every check refuses.
pub(super) fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string();
    Some(value.unwrap_or_else(|_| "\u{fffd}".to_owned()))
}

/// The places a secret may come from.
pub(super) struct Sources<'a> {
    /// The name of the environment variable, and its value.
    pub(super) variable: (&'static str, Option<&'a str>),
    /// The file, if the configuration names one.
    pub(super) file: Option<&'a Path>,
    /// The dotted path of the option that names it.
    pub(super) path: &'a str,
}

/// Reads a secret from its environment variable, or else from its file, and parses it with `make`. Returns `None` if there
/// is neither. An error names the variable or the option, never the secret.
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
    if let Some(text) = value.filter(is_set) {
        let secret = read(text).map_err(|problem| ConfigError::Flag { flag, problem })?;
        let unused = |file: &&Path| std::fs::File::open(file).is_err();
        let warning = sources
            .file
            .filter(unused)
            .map(|_| ConfigWarning::UnusedFile {
                place: places.place(sources.path),
                path: sources.path.to_owned(),
                variable: flag,
            });
        return Ok(Some((secret, warning)));
    }
    let Some(file) = sources.file else {
        return Ok(None);
    };
    let (path, shown) = (sources.path, file.display().to_string());
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| places.unreadable(path, file, error))?;
    let secret = read(&text).map_err(|problem| ConfigError::Invalid {
        place: places.place(path),
        path: path.to_owned(),
        problem: format!("names the file {shown:?}, which {problem}"),
    })?;
    let is_open = readable_by_others(file);
    let warning = is_open.then_some(ConfigWarning::SecretReadableByOthers { file: shown });
    Ok(Some((secret, warning)))
}

/// Returns from where [`find`] takes a secret, in words.
pub(super) fn origin((name, value): (&str, Option<&str>), file: Option<&Path>) -> String {
    match file {
        Some(file) if !value.as_ref().is_some_and(is_set) => {
            format!("the file {:?}", file.display().to_string())
        }
        _ => format!("the variable {name}"),
    }
}

/// Returns whether a variable holds something. In containers an empty variable usually means that there is none.
fn is_set(text: &&str) -> bool {
    !text.trim().is_empty()
}

/// Trims a secret. An error says what is wrong without the text.
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

/// Returns false: on this platform it is not known who can read a file.
#[cfg(not(unix))]
pub(super) fn readable_by_others(_file: &Path) -> bool {
    false
}
