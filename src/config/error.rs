//! Errors of a configuration: what is wrong, where, and what to do.

use std::fmt;

/// Least similarity (Jaro-Winkler, 0 to 1) at which an unknown name counts as a misspelling of a valid one.
const NEAR: f64 = 0.8;

/// A place in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it, or the flag.
    pub origin: String,
    /// The line in the file, if known.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.origin),
            None => f.write_str(&self.origin),
        }
    }
}

/// Why the configuration cannot be used.
///
/// Each message says what is wrong, where, and what to do. No message quotes a value that could be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file does not exist, or this user may not read it.
    #[error("cannot read the configuration {path}")]
    Unreadable {
        /// The file as the user named it.
        path: String,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The extension is not one of a configuration file.
    #[error("{path}: the name of a configuration ends in .yaml, .yml or .json")]
    UnknownFormat {
        /// The file as the user named it.
        path: String,
    },
    /// The file is TOML, which earlier versions took.
    #[error(
        "{path}: TOML is not read any more; write the same options as YAML, into a file whose name ends in .yaml (`kombo-source generate` prints one)"
    )]
    Toml {
        /// The file as the user named it.
        path: String,
    },
    /// The text is not valid YAML or JSON.
    #[error("{place}: {reason}")]
    Syntax {
        /// Where the parser stopped.
        place: Place,
        /// The parser's reason, without text of the file.
        reason: String,
    },
    /// A key is not the name of an option.
    #[error("{place}: unknown option {name:?} in {within}; {advice}")]
    UnknownOption {
        /// The key's line.
        place: Place,
        /// The key.
        name: String,
        /// The dotted path of the map that holds the key.
        within: String,
        /// The nearest valid name, or all of them.
        advice: String,
    },
    /// A required option is missing.
    #[error("{place}: {path} is missing; {advice}")]
    Missing {
        /// The place where the option should be.
        place: Place,
        /// The dotted path of the option.
        path: String,
        /// What to add.
        advice: String,
    },
    /// The value of an option cannot be used.
    #[error("{place}: {path} {problem}")]
    Invalid {
        /// The place of the value.
        place: Place,
        /// The dotted path of the option.
        path: String,
        /// What is wrong with the value, and what would be right.
        problem: String,
    },
    /// The value of a flag, or of its environment variable, cannot be used.
    #[error("{flag} {problem}")]
    Flag {
        /// The name of the flag or variable.
        flag: &'static str,
        /// What is wrong with the value, and what would be right.
        problem: String,
    },
    /// Neither a file nor a flag says where the lake is.
    #[error(
        "nothing says where the lake is: there is no {file} here and no --lake-url; \
         give --lake-url ./kombo-lake, or write a file with `kombo-source generate > {file}`"
    )]
    NoLake {
        /// The name of the file that was searched.
        file: &'static str,
    },
    /// The environment has no API key, and the configuration names no file.
    #[error(
        "there is no API key: set KOMBO_API_KEY, or name a file with api_key_file in sources.{source_name}"
    )]
    NoApiKey {
        /// The source that needs the key or the secret.
        source_name: String,
    },
    /// A webhook listener is configured, and there is no webhook secret.
    #[error(
        "there is no webhook secret: set KOMBO_WEBHOOK_SECRET, or name a file with secret_file in sources.{source_name}.webhook"
    )]
    NoWebhookSecret {
        /// The source that needs the key or the secret.
        source_name: String,
    },
    /// There is no file with the name that an option gives. The name is not shown: it may be the secret itself.
    #[error("{place}: {path} names no file that is there; {advice}")]
    FileMissing {
        /// The option that should name the file.
        place: Place,
        /// The dotted path of the option.
        path: String,
        /// What to do.
        advice: &'static str,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A file with a secret or a certificate cannot be read.
    #[error("{place}: cannot read {path}")]
    FileUnreadable {
        /// The option that names the file.
        place: Place,
        /// The dotted path of the option.
        path: String,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
}

impl ConfigError {
    /// Returns the exit code of `sysexits.h`: 64 for an error of the command line, 78 for an error of the configuration.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Flag { .. } | Self::NoLake { .. } => 64,
            _ => 78,
        }
    }
}

/// Returns a proposal for an unknown name: the nearest valid name, or else all valid names.
pub(super) fn advice(name: &str, valid: &[&str]) -> String {
    match nearest(name, valid.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("valid are {}", valid.join(", ")),
    }
}

/// Returns the valid name that is most similar to a wrong one, if one is similar enough.
pub(super) fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    valid
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Something that the operator should correct, but that does not stop the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// Other users of the machine can read a secret.
    SecretReadableByOthers {
        /// The file.
        file: String,
    },
    /// Other users of the machine can read the configuration, and an option of the store in it is a secret.
    OptionReadableByOthers {
        /// The configuration's file.
        file: String,
        /// The dotted path of the option.
        path: String,
    },
    /// An environment variable is used in place of a file, and that file cannot be read.
    UnusedFile {
        /// The place of the option.
        place: Place,
        /// The dotted path of the option that names the file.
        path: String,
        /// The variable.
        variable: &'static str,
    },
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretReadableByOthers { file } => write!(
                f,
                "{file} holds a secret and other users can read it; run: chmod 600 {file}"
            ),
            Self::OptionReadableByOthers { file, path } => write!(
                f,
                "{file} holds a secret in {path} and other users can read it; run: chmod 600 {file}, or set the secret in the environment (AWS_*, GOOGLE_*, AZURE_*) and remove it from the file"
            ),
            Self::UnusedFile {
                place,
                path,
                variable,
            } => write!(
                f,
                "{place}: {path} names a file that cannot be read, and {variable} is used in its place; correct the option or remove it"
            ),
        }
    }
}
