//! What the settings of every room share: how a refused one is told, and how spans and shares are read.
//!
//! Each settings struct stands beside the code that it steers, with its defaults and one `check`. Whoever fills it (the
//! configuration file, flags, a library's user) gets the same answer from the same check.

use std::num::{NonZeroU8, NonZeroU64};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A setting whose value cannot be used. It reads as a sentence, and quotes nothing that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option} {problem}")]
pub struct BadSetting {
    /// The option's dotted path below the struct that was checked, as it stands in a file.
    pub option: String,
    /// What is wrong with the value, and what would be right.
    pub problem: String,
}

impl BadSetting {
    /// Names an option and what is wrong with it.
    pub fn new(option: &str, problem: impl Into<String>) -> Self {
        Self {
            option: option.to_owned(),
            problem: problem.into(),
        }
    }

    /// Returns the same as seen from the struct around: the option is below `section` there.
    #[must_use]
    pub fn within(self, section: &str) -> Self {
        Self {
            option: format!("{section}.{}", self.option),
            ..self
        }
    }

    /// Refuses a span below its least, with the reason for that.
    pub fn at_least(option: &str, value: Duration, least: Duration, why: &str) -> Result<(), Self> {
        let (value, least) = (value.as_secs(), least.as_secs());
        if value >= least {
            return Ok(());
        }
        let problem = format!("is {value}, but must be at least {least}{why}");
        Err(Self::new(option, problem))
    }

    /// Refuses a share of more than everything.
    pub fn share(option: &str, percent: NonZeroU8) -> Result<(), Self> {
        if percent.get() <= 100 {
            return Ok(());
        }
        let problem = format!("is {percent}, but a share in percent is at most 100");
        Err(Self::new(option, problem))
    }
}

/// Reads a span of whole seconds, one at least.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    NonZeroU64::deserialize(deserializer).map(|secs| Duration::from_secs(secs.get()))
}

/// Reads a span of whole seconds where there may be none.
pub(crate) fn some_seconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    seconds(deserializer).map(Some)
}
