//! The options of the lease.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::Deserialize;

use crate::plan::LeaseTerms;
use crate::setting::BadSetting;

/// Which of several services on one lake works, and when a standby takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeaseSettings {
    /// Whether `run` takes the lease of the lake, so that only one service on a lake sends requests and the others stand by.
    /// `false` for services that share a lake on purpose, such as one for each half of your customers.
    pub enabled: bool,
    /// After how long without a sign of the working service a standby takes over. The working service stops by itself after half
    /// of it. A service that ended in order is replaced at once.
    ///
    /// Range: 2 to 3600.
    pub takeover_secs: NonZeroU64,
}

impl LeaseSettings {
    /// The least and the greatest takeover time, in seconds.
    const RANGE: std::ops::RangeInclusive<u64> = 2..=3600;

    /// Checks the range.
    pub fn check(&self) -> Result<(), BadSetting> {
        let secs = self.takeover_secs.get();
        if Self::RANGE.contains(&secs) {
            return Ok(());
        }
        let (least, most) = (Self::RANGE.start(), Self::RANGE.end());
        let problem = format!("is {secs}, but must be from {least} to {most}");
        Err(BadSetting::new("takeover_secs", problem))
    }

    /// Returns the times of the lease.
    #[must_use]
    pub fn terms(&self) -> LeaseTerms {
        LeaseTerms::new(Duration::from_secs(self.takeover_secs.get()))
    }
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            takeover_secs: const { NonZeroU64::new(30).expect("not zero") },
        }
    }
}
