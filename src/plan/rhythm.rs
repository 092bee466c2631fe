//! Whether an integration's webhooks still come.
//!
//! A webhook that is lost says nothing, so two signs stand for it: a heartbeat brings changes that nobody announced, or
//! notifications stop for much longer than they ever do. Both can be wrong, and then cost some empty requests: a
//! suspicion makes an integration be polled more often, nothing else, until it is heard again.
//!
//! The usual gap is the one that half of the time lies in, not half of the gaps. Customers work by day: of a
//! hundred gaps, ninety are minutes, and yet most of the week is nights and a weekend.

use std::time::Duration;

use crate::time::{Moment, millis};

/// How long a change may stay unannounced: Kombo gathers changes before it says so, and a fetch may overtake that.
pub const ANNOUNCED_WITHIN: Duration = Duration::from_mins(5);

/// Silence up to this is never suspicious.
pub const SILENCE_AT_LEAST: Duration = Duration::from_hours(6);

/// Until a whole week was heard, silence up to this is not suspicious: it may be the first weekend.
pub const SILENCE_WHILE_LEARNING: Duration = Duration::from_hours(72);

/// Silence is suspicious from this many usual gaps on.
const USUAL_GAPS: u32 = 8;

/// Fewer notifications show no rhythm.
const HEARD_AT_LEAST: u32 = 8;

/// What is learned counts half after this time, and a quarter after twice as long.
const HALF_LIFE: Duration = Duration::from_hours(14 * 24);

/// How long to listen until the usual gap is trusted.
const LEARNING: Duration = Duration::from_hours(7 * 24);

/// Gaps are told apart by powers of two: up to one minute, two, four ... and all above eleven days.
const CLASSES: usize = 16;

/// The upper end of the first class.
const SHORTEST: Duration = Duration::from_mins(1);

/// Why an integration's webhooks are suspected not to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspicion {
    /// A heartbeat found rows that no notification announced.
    Unannounced {
        /// When it found them.
        since: Moment,
    },
    /// No notification for much longer than usual.
    Silent {
        /// When the last one came.
        since: Moment,
    },
}

impl Suspicion {
    /// Returns a short fixed name, for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unannounced { .. } => "unannounced",
            Self::Silent { .. } => "silent",
        }
    }
}

/// The rhythm of one integration's notifications, in memory of a fixed size.
#[derive(Clone, Debug, Default)]
pub struct Rhythm {
    heard: u32,
    first: Moment,
    last: Moment,
    /// How much time went by in gaps of each class, in milliseconds: halved again and again, it stays whole.
    time_in: [i64; CLASSES],
    halved: Moment,
    unannounced: Option<Moment>,
}

impl Rhythm {
    /// Notes a notification. Returns the suspicion that it ends.
    pub fn notified(&mut self, now: Moment) -> Option<Suspicion> {
        let ended = self.suspicion(now);
        self.unannounced = None;
        if self.heard == 0 {
            (self.first, self.last, self.halved) = (now, now, now);
        }
        // A clock that was set back makes a gap of nothing.
        let gap = now.since(self.last);
        // An outage is no rhythm: beyond what was suspicious, its length says nothing about the customer.
        let gap = self.silence().map_or(gap, |limit| gap.min(limit));
        self.forget(now);
        let time_in = &mut self.time_in[class(gap)];
        *time_in = time_in.saturating_add(millis(gap));
        self.heard = self.heard.saturating_add(1);
        self.last = self.last.max(now);
        ended
    }

    /// Notes that a heartbeat found rows nobody announced. A notification within [`ANNOUNCED_WITHIN`] makes up for it.
    pub fn unannounced(&mut self, now: Moment, rows: u64) {
        if rows > 0 {
            self.unannounced.get_or_insert(now);
        }
    }

    /// Returns why the webhooks are suspected not to come, if they are.
    #[must_use]
    pub fn suspicion(&self, now: Moment) -> Option<Suspicion> {
        let unannounced = self.unannounced.filter(|_| self.overdue_at() <= Some(now));
        if let Some(since) = unannounced {
            return Some(Suspicion::Unannounced { since });
        }
        let silent = self.silent_at().is_some_and(|at| at < now);
        silent.then_some(Suspicion::Silent { since: self.last })
    }

    /// Returns when a suspicion comes up next, if nothing is heard until then.
    #[must_use]
    pub fn next_look(&self, now: Moment) -> Option<Moment> {
        let silent = self.silent_at().map(|at| at + Duration::from_millis(1));
        let later = |at: &Moment| *at > now;
        [self.overdue_at(), silent]
            .into_iter()
            .flatten()
            .filter(later)
            .min()
    }

    /// Returns the usual gap between two notifications: half of the time lies in gaps of at most this length.
    #[must_use]
    pub fn usual_gap(&self) -> Option<Duration> {
        if self.heard < HEARD_AT_LEAST {
            return None;
        }
        let sum = |classes: &[i64]| {
            classes
                .iter()
                .fold(0, |sum: i64, ms| sum.saturating_add(*ms))
        };
        let half = sum(&self.time_in).div_euclid(2);
        let class = (0..CLASSES).find(|class| sum(&self.time_in[..=*class]) >= half)?;
        Some(longest_of(class))
    }

    /// Returns the silence from which on an integration is suspected.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        let least = if self.last.since(self.first) < LEARNING {
            SILENCE_WHILE_LEARNING
        } else {
            SILENCE_AT_LEAST
        };
        Some((self.usual_gap()? * USUAL_GAPS).max(least))
    }

    fn overdue_at(&self) -> Option<Moment> {
        Some(self.unannounced? + ANNOUNCED_WITHIN)
    }

    /// The last instant of silence that is not suspicious.
    fn silent_at(&self) -> Option<Moment> {
        Some(self.last + self.silence()?)
    }

    /// Halves what is learned for every half-life that went by.
    fn forget(&mut self, now: Moment) {
        let times = now.since(self.halved).as_millis() / HALF_LIFE.as_millis();
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        if times > 0 {
            for ms in &mut self.time_in {
                *ms = ms.checked_shr(times).unwrap_or(0);
            }
            self.halved += HALF_LIFE.saturating_mul(times);
        }
    }
}

/// Returns how often to ask an integration for changes while it is under suspicion: twelve times as often as by
/// heartbeat, but not more than every quarter of an hour.
#[must_use]
pub fn suspicious_period(heartbeat: Duration) -> Duration {
    (heartbeat / 12).max(Duration::from_mins(15)).min(heartbeat)
}

fn class(gap: Duration) -> usize {
    let fits = |class: &usize| gap <= longest_of(*class);
    (0..CLASSES).find(fits).unwrap_or(CLASSES - 1)
}

fn longest_of(class: usize) -> Duration {
    SHORTEST * (1 << class)
}

#[cfg(test)]
mod tests;
