//! What the settings of all rooms share: the error for a refused setting, and the reading of spans and shares.
//!
//! Each settings struct stands beside the code that uses it, with its defaults and one `check`. The configuration file,
//! the flags and library users all fill the same struct and get the same errors from the same check.

use std::num::{NonZeroU8, NonZeroU64};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A setting with a value that cannot be used. The text reads as a sentence and quotes nothing that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option} {problem}")]
pub struct BadSetting {
    /// The dotted path of the option below the checked struct, as in a configuration file.
    pub option: String,
    /// The problem with the value, and what a correct value is.
    pub problem: String,
}

impl BadSetting {
    /// Makes the error from an option and the problem with its value.
    pub fn new(option: &str, problem: impl Into<String>) -> Self {
        Self {
            option: option.to_owned(),
            problem: problem.into(),
        }
    }

    /// Returns the error with `section` in front of the option, for the struct that contains the checked one.
    #[must_use]
    pub fn within(self, section: &str) -> Self {
        Self {
            option: format!("{section}.{}", self.option),
            ..self
        }
    }

    /// Returns an error when a span is shorter than `least`. `why` is the reason for the limit.
    pub fn at_least(option: &str, value: Duration, least: Duration, why: &str) -> Result<(), Self> {
        let (value, least) = (value.as_secs(), least.as_secs());
        if value >= least {
            return Ok(());
        }
        let problem = format!("is {value}, but must be at least {least}{why}");
        Err(Self::new(option, problem))
    }

    /// Returns an error when a share is more than 100 percent.
    pub fn share(option: &str, percent: NonZeroU8) -> Result<(), Self> {
        if percent.get() <= 100 {
            return Ok(());
        }
        let problem = format!("is {percent}, but a share in percent is at most 100");
        Err(Self::new(option, problem))
    }
}

/// Reads a span of whole seconds, at least one second.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    NonZeroU64::deserialize(deserializer).map(|secs| Duration::from_secs(secs.get()))
}

/// Reads an optional span of whole seconds.
pub(crate) fn some_seconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    seconds(deserializer).map(Some)
}
