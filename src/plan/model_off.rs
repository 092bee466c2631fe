//! Why one table of an integration cannot be fetched while other tables can, and when to ask again.

use std::fmt;
use std::time::Duration;

use crate::time::Backoff;

/// Why a model is off. The rows of its tables stay: Kombo did not say that they were deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModelOff {
    /// The scope configuration switched it off.
    Disabled,
    /// The connected tool has no such model.
    NotAvailable,
    /// The connected account lacks a permission.
    PermissionMissing,
}

impl ModelOff {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::Disabled, Self::NotAvailable, Self::PermissionMissing];

    /// Returns the name of the reason in `status` and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::NotAvailable => "not_available",
            Self::PermissionMissing => "permission_missing",
        }
    }

    /// Reads a name from `status`. Returns `None` for a name of another build.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|off| off.as_str() == name)
    }

    /// Returns how long to wait before the table is asked for again, after `tries` requests without a change.
    ///
    /// No webhook reports that a scope was switched on. So the table is asked for at least once a day.
    #[must_use]
    pub fn recheck(self, tries: u32) -> Duration {
        Backoff::new(Duration::from_hours(6), Duration::from_hours(24)).wait(tries)
    }
}

/// Writes the reason as a phrase.
impl fmt::Display for ModelOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAvailable => "the connected tool does not offer the model",
            Self::Disabled => "the model is switched off in the scope configuration",
            Self::PermissionMissing => {
                "the connected account lacks a permission to read these rows"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for off in ModelOff::ALL {
            assert_eq!(ModelOff::from_name(off.as_str()), Some(off));
        }
        assert_eq!(ModelOff::from_name("off"), None);
    }

    #[test]
    fn a_model_that_is_off_is_asked_for_after_six_hours_and_then_daily() {
        let hours =
            [0, 1, 2, 3, 90].map(|tries| ModelOff::Disabled.recheck(tries).as_secs() / 3600);
        assert_eq!(hours, [6, 12, 24, 24, 24]);
    }
}
