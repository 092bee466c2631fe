//! What is wrong with a setting, as serde finds it.
//!
//! No text of the file gets into a fault, but for the names of options and choices.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Fault {
    /// Dotted path of the value, or of the map a key is unknown in. `None` until known.
    pub(super) path: Option<String>,
    pub(super) line: Option<usize>,
    pub(super) kind: FaultKind,
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) enum FaultKind {
    UnknownOption {
        name: String,
        valid: Vec<&'static str>,
    },
    UnknownChoice {
        name: String,
        valid: &'static [&'static str],
    },
    Missing {
        name: &'static str,
    },
    NoValue,
    WrongType {
        found: &'static str,
        wanted: String,
    },
    OutOfRange {
        found: i128,
        wanted: String,
    },
    Other(String),
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self {
            path: None,
            line: None,
            kind,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting cannot be read")
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        FaultKind::Other(message.to_string()).into()
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        FaultKind::WrongType {
            found: kind_of(&unexpected),
            wanted: wanted(expected),
        }
        .into()
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match unexpected {
            Unexpected::Unsigned(found) => FaultKind::OutOfRange {
                found: found.into(),
                wanted: wanted(expected),
            }
            .into(),
            Unexpected::Signed(found) => FaultKind::OutOfRange {
                found: found.into(),
                wanted: wanted(expected),
            }
            .into(),
            other => Self::invalid_type(other, expected),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        FaultKind::UnknownOption {
            name: field.to_owned(),
            valid: expected.to_vec(),
        }
        .into()
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        FaultKind::UnknownChoice {
            name: variant.to_owned(),
            valid: expected,
        }
        .into()
    }

    fn missing_field(field: &'static str) -> Self {
        FaultKind::Missing { name: field }.into()
    }
}

fn kind_of(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        Unexpected::Unit | Unexpected::Option => "empty",
        // How serde names integers beyond 64 bits.
        Unexpected::Other(kind) if kind.starts_with("integer") => "a number",
        _ => "text",
    }
}

/// Puts what serde says it expected into words for people who write configuration.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a string" | "a character" | "path string" | "a borrowed string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => {
            "a whole number".to_owned()
        }
        "f32" | "f64" => "a number".to_owned(),
        _ if text.starts_with("a nonzero ") => "a whole number of at least 1".to_owned(),
        _ if text.starts_with("struct ") => "a map of options".to_owned(),
        _ => text,
    }
}
