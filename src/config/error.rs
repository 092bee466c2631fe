//! What is wrong with a configuration, where, and how to mend it.

use std::fmt;

/// A name counts as a slip for another one from this similarity on (Jaro-Winkler, 0 to 1).
const NEAR: f64 = 0.8;

/// Where in the configuration something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it, or the flag.
    pub origin: String,
    /// The line in the file, where known.
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

/// Why there is no configuration to work with.
///
/// Each message says what is wrong, where, and what to do. None quotes a value that could be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not there, or not for us to read.
    #[error("cannot read the configuration {path}")]
    Unreadable {
        /// As the user named it.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The extension is none of a configuration.
    #[error("{path}: the name of a configuration ends in .yaml, .yml or .json")]
    UnknownFormat {
        /// As the user named it.
        path: String,
    },
    /// The format that this program once took.
    #[error(
        "{path}: TOML is not read any more; write the same options as YAML, into a file whose name ends in .yaml (`kombo-source generate` prints one)"
    )]
    Toml {
        /// As the user named it.
        path: String,
    },
    /// The text is not of its format.
    #[error("{place}: {reason}")]
    Syntax {
        /// Where the parser stopped.
        place: Place,
        /// Its reason, without the text.
        reason: String,
    },
    /// A key that no option has.
    #[error("{place}: unknown option {name:?} in {within}; {advice}")]
    UnknownOption {
        /// The key's line.
        place: Place,
        /// The key.
        name: String,
        /// The map it stands in.
        within: String,
        /// The nearest valid name, or all of them.
        advice: String,
    },
    /// An option that must be there.
    #[error("{place}: {path} is missing; {advice}")]
    Missing {
        /// Where it should be.
        place: Place,
        /// Its dotted path.
        path: String,
        /// What to add.
        advice: String,
    },
    /// An option whose value cannot be used.
    #[error("{place}: {path} {problem}")]
    Invalid {
        /// Where the value stands.
        place: Place,
        /// Its dotted path.
        path: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A flag, or the environment variable behind it, whose value cannot be used.
    #[error("{flag} {problem}")]
    Flag {
        /// Its name.
        flag: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// Neither a file nor flags say where the rows go.
    #[error(
        "nothing says where the lake is: there is no {file} here and no --lake-url; \
         give --lake-url ./kombo-lake, or write a file with `kombo-source generate > {file}`"
    )]
    NoLake {
        /// The file looked for.
        file: &'static str,
    },
    /// No API key in the environment, and no file named.
    #[error(
        "there is no API key: set KOMBO_API_KEY, or name a file with api_key_file in sources.{source_name}"
    )]
    NoApiKey {
        /// The source that needs it.
        source_name: String,
    },
    /// Webhooks are to come in, and nothing says how Kombo signs them.
    #[error(
        "there is no webhook secret: set KOMBO_WEBHOOK_SECRET, or name a file with secret_file in sources.{source_name}.webhook"
    )]
    NoWebhookSecret {
        /// The source that needs it.
        source_name: String,
    },
    /// A file that an option names, with a secret or a certificate.
    #[error("{place}: cannot read {path}")]
    FileUnreadable {
        /// The option that names the file.
        place: Place,
        /// Its dotted path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ConfigError {
    /// Returns the exit code of `sysexits.h` that fits: 64 when the command line is at fault, 78 when the
    /// configuration is.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Flag { .. } | Self::NoLake { .. } => 64,
            _ => 78,
        }
    }
}

/// Says what an unknown name was most likely meant to be, or else what there is.
pub(super) fn advice(name: &str, valid: &[&str]) -> String {
    match nearest(name, valid.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("valid are {}", valid.join(", ")),
    }
}

/// Returns the valid name a wrong one was most likely meant to be.
pub(super) fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    valid
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Lets a caller go on while something should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// Other users of the machine can read a secret.
    SecretReadableByOthers {
        /// The file.
        file: String,
    },
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretReadableByOthers { file } => write!(
                f,
                "{file} holds a secret and other users can read it; run: chmod 600 {file}"
            ),
        }
    }
}
