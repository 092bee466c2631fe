//! Errors that serde finds in a setting.
//!
//! Of the file's text, a fault holds only the names of options, never a value.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::error::nearest;

/// An error in a map of options or in a value.
#[derive(Debug)]
pub(super) enum Fault {
    /// A map has a key that is not the name of an option.
    UnknownOption {
        name: String,
        valid: &'static [&'static str],
    },
    /// A map lacks an option.
    Missing { name: &'static str },
    /// A value cannot be used. The text continues a sentence that begins with the path of the value.
    Unusable(String),
}

impl Fault {
    /// Returns the fault of a key without a value. Such a key is an error, and does not mean the default.
    pub(super) fn no_value() -> Self {
        Self::Unusable("has no value; give it one or remove the line".to_owned())
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
        Self::Unusable(format!("is wrong: {message}"))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (found, wanted) = (kind_of(&unexpected), wanted(expected));
        Self::Unusable(format!("is {found}, but must be {wanted}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Unsigned(found) => i128::from(found),
            Unexpected::Signed(found) => i128::from(found),
            other => return Self::invalid_type(other, expected),
        };
        Self::Unusable(if found > 0 {
            format!("is {found}, which is too large")
        } else {
            format!("is {found}, but must be {}", wanted(expected))
        })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::UnknownOption {
            name: field.to_owned(),
            valid: expected,
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let near = nearest(variant, expected.iter().copied());
        let hint = near.map(|near| format!("; did you mean {near:?}?"));
        let (valid, hint) = (expected.join(", "), hint.unwrap_or_default());
        Self::Unusable(format!("is not one of {valid}{hint}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing { name: field }
    }
}

/// Returns the kind of a value in plain words.
pub(super) fn kind_of(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        Unexpected::Unit | Unexpected::Option => "empty",
        // Serde names integers beyond 64 bits in this way.
        Unexpected::Other(kind) if kind.starts_with("integer") => "a number",
        _ => "text",
    }
}

/// Returns what serde expected in words of a configuration file instead of Rust's.
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
