//! How patient the guard is before it lets rows go.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::Deserialize;

use super::SinkSettings;
use super::error::ConfigError;
use super::marks::Marks;
use super::reader::join;
use crate::time::SecondLook;

const DAY_SECS: u64 = 24 * 3600;

/// What one outage or one bad release of Kombo's explains is over by then, at most times; a rerun is no second look.
const LEAST_SECS: u64 = 3600;

/// How patient the guard is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardOptions {
    /// How long after a first look a second one has to begin to confirm that rows are gone.
    pub confirm_after_secs: NonZeroU64,
}

impl Default for GuardOptions {
    fn default() -> Self {
        Self {
            confirm_after_secs: const { NonZeroU64::new(DAY_SECS).expect("not zero") },
        }
    }
}

impl GuardOptions {
    /// Returns how far two looks have to be apart.
    pub(super) fn second_look(&self) -> SecondLook {
        SecondLook::after(Duration::from_secs(self.confirm_after_secs.get()))
    }
}

/// Checks that two looks are two.
pub(super) fn check_guard(sink: &SinkSettings, marks: &Marks) -> Result<(), ConfigError> {
    let secs = sink.guard.confirm_after_secs.get();
    if secs < LEAST_SECS {
        let path = join("sinks", &format!("{}.guard.confirm_after_secs", sink.name));
        let problem = format!(
            "is {secs}, but must be at least {LEAST_SECS}: two fetches within an hour may fail alike, and `kombo-source accept` lets pass at once what is right"
        );
        return Err(marks.invalid(&path, &problem));
    }
    Ok(())
}
