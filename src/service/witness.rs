//! What the loop remembers of errors between two looks at what goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::{Wait, WaitReason};
use crate::sink::{SinkCause, SinkError};
use crate::time::Moment;
use crate::trouble::Sight;
use crate::words::{counted, with_causes};

/// A rate limit that holds all requests for longer than a window of Kombo's is a trouble.
const LONG_WAIT: Duration = Duration::from_secs(90);

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// The last error of the store, with no success since: since when, the error, what to do.
    pub(super) store: Option<(Moment, String, &'static str)>,
    /// What of the lake is damaged: the errors, by the name of what was read or written.
    damaged: BTreeMap<String, (String, &'static str)>,
    /// Since when a rate limit holds all requests.
    limited_since: Option<Moment>,
}

impl Witness {
    /// Takes the result of a read or write of the sink. `what` names the table or the object.
    pub(super) fn sink(&mut self, what: &str, result: Result<&(), &SinkError>, now: Moment) {
        let Err(error) = result else {
            self.store = None;
            self.damaged.remove(what);
            return;
        };
        match error.cause() {
            SinkCause::Store => {
                let since = self.store.as_ref().map_or(now, |(since, ..)| *since);
                self.store = Some((since, with_causes(error), error.advice()));
            }
            SinkCause::Damage => {
                let told = (with_causes(error), error.advice());
                self.damaged.insert(what.to_owned(), told);
            }
            SinkCause::Other => {}
        }
    }

    pub(super) fn unwritable(&self) -> Option<Sight> {
        let (since, error, advice) = self.store.as_ref()?;
        Some(Sight::of(error).since(*since).cure(*advice))
    }

    pub(super) fn unreadable(&self) -> Option<Sight> {
        let (_, (error, advice)) = self.damaged.first_key_value()?;
        let places = counted(self.damaged.len() as u64, "place");
        Some(Sight::of(format!("{places}, such as {error}")).cure(*advice))
    }

    pub(super) fn limited(&mut self, wait: Option<Wait>, now: Moment) -> Option<Sight> {
        let Some(wait) = wait else {
            self.limited_since = None;
            return None;
        };
        let since = match wait.reason {
            // Kombo refuses requests: one wait follows the other, and nothing comes through.
            WaitReason::RateLimit | WaitReason::RateLimitWithoutTime => {
                let since = self.limited_since.get_or_insert(now);
                // The clock may have been set back since then.
                *since = now.min(*since);
                *since
            }
            // Who uses up each window waits for the next one again and again, and that is right.
            WaitReason::WindowUsedUp => now,
            _ => {
                self.limited_since = None;
                return None;
            }
        };
        let is_long = now.since(since) + wait.left >= LONG_WAIT;
        is_long.then(|| Sight::of(wait.shown(now)).since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Moment = Moment::from_millis(1_700_000_000_000);

    #[derive(Debug, thiserror::Error)]
    #[error("it failed")]
    struct Failed;

    fn error(cause: SinkCause) -> SinkError {
        SinkError::new(Failed, "do this").caused_by(cause)
    }

    #[test]
    fn a_store_that_fails_is_a_trouble_until_anything_succeeds() {
        let mut witness = Witness::default();
        let failed = error(SinkCause::Store);
        witness.sink("a", Err(&failed), NOON);
        witness.sink("b", Err(&failed), NOON + LONG_WAIT);
        let sight = witness.unwritable().expect("seen");
        assert_eq!(sight, Sight::of("it failed").since(NOON).cure("do this"));
        witness.sink("c", Ok(&()), NOON);
        assert_eq!(witness.unwritable(), None);
    }

    #[test]
    fn damage_stays_until_the_same_place_is_read() {
        let mut witness = Witness::default();
        witness.sink("a", Err(&error(SinkCause::Damage)), NOON);
        witness.sink("b", Ok(&()), NOON);
        assert!(witness.unreadable().is_some());
        assert_eq!(witness.unwritable(), None);
        witness.sink("a", Ok(&()), NOON);
        assert_eq!(witness.unreadable(), None);
        witness.sink("a", Err(&error(SinkCause::Other)), NOON);
        assert_eq!((witness.unwritable(), witness.unreadable()), (None, None));
    }

    #[test]
    fn only_a_wait_that_is_longer_than_a_window_is_a_trouble() {
        let mut witness = Witness::default();
        let wait = |reason, secs| {
            let left = Duration::from_secs(secs);
            Some(Wait { reason, left })
        };
        let mut limited = |wait, secs| witness.limited(wait, NOON + Duration::from_secs(secs));
        assert_eq!(limited(wait(WaitReason::WindowUsedUp, 59), 0), None);
        for secs in [30, 60, 90, 120, 600] {
            let used_up = wait(WaitReason::WindowUsedUp, 59);
            assert_eq!(limited(used_up, secs), None, "a long first load");
        }
        assert_eq!(limited(None, 660), None);
        assert!(limited(wait(WaitReason::RateLimit, 600), 661).is_some());
        assert_eq!(limited(wait(WaitReason::Outage, 600), 662), None);
        assert_eq!(limited(wait(WaitReason::RateLimit, 60), 700), None);
        assert!(limited(wait(WaitReason::RateLimit, 60), 730).is_some());
        // The clock is set back.
        assert_eq!(limited(wait(WaitReason::RateLimit, 60), 100), None);
        assert!(limited(wait(WaitReason::RateLimit, 60), 130).is_some());
    }
}
