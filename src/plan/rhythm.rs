//! Whether an integration's webhooks still come.
//!
//! A webhook that is lost says nothing, so two signs stand for it: a heartbeat brings changes that nobody announced, or
//! notifications stop for much longer than they ever do. Both can be wrong, and then cost some empty requests: a
//! suspicion makes an integration be polled more often, nothing else, until it is heard again.
//!
//! The usual gap is the one that half of the time lies in, not half of the gaps. Customers work by day: of a
//! hundred gaps, ninety are minutes, and yet most of the week is nights and a weekend.

use std::time::Duration;

/// How long a change may stay unannounced: Kombo gathers changes before it says so, and a fetch may overtake that.
pub const ANNOUNCED_WITHIN: Duration = Duration::from_mins(5);

/// Silence up to this is never suspicious.
pub const SILENCE_AT_LEAST: Duration = Duration::from_hours(6);

/// Until a whole week was heard, silence up to this is not suspicious: it may be the first weekend.
pub const SILENCE_WHILE_LEARNING: Duration = Duration::from_hours(72);

/// Silence is suspicious from this many usual gaps on.
const USUAL_GAPS: i64 = 8;

/// Fewer notifications show no rhythm.
const HEARD_AT_LEAST: u32 = 8;

/// What is learned counts half after this time, and a quarter after twice as long.
const HALF_LIFE_MS: i64 = 14 * 24 * 3_600_000;

/// How long to listen until the usual gap is trusted.
const LEARNING_MS: i64 = 7 * 24 * 3_600_000;

/// Gaps are told apart by powers of two: up to one minute, two, four ... and all above eleven days.
const CLASSES: usize = 16;

/// The upper end of the first class.
const SHORTEST_MS: i64 = 60_000;

/// Why an integration's webhooks are suspected not to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspicion {
    /// A heartbeat found rows that no notification announced.
    Unannounced {
        /// When it found them.
        since_ms: i64,
    },
    /// No notification for much longer than usual.
    Silent {
        /// When the last one came.
        since_ms: i64,
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

/// The rhythm of one integration's notifications, in memory of a fixed size. All instants are milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Rhythm {
    heard: u32,
    first_ms: i64,
    last_ms: i64,
    /// How much time went by in gaps of each class.
    time_in: [i64; CLASSES],
    halved_ms: i64,
    unannounced_ms: Option<i64>,
}

impl Rhythm {
    /// Notes a notification. Returns the suspicion that it ends.
    pub fn notified(&mut self, now_ms: i64) -> Option<Suspicion> {
        let ended = self.suspicion(now_ms);
        self.unannounced_ms = None;
        if self.heard == 0 {
            (self.first_ms, self.last_ms, self.halved_ms) = (now_ms, now_ms, now_ms);
        }
        // A clock that was set back makes a gap of nothing.
        let gap = now_ms.saturating_sub(self.last_ms).max(0);
        // An outage is no rhythm: beyond what was suspicious, its length says nothing about the customer.
        let gap = self.silence_ms().map_or(gap, |limit| gap.min(limit));
        self.forget(now_ms);
        let time_in = &mut self.time_in[class(gap)];
        *time_in = time_in.saturating_add(gap);
        self.heard = self.heard.saturating_add(1);
        self.last_ms = self.last_ms.max(now_ms);
        ended
    }

    /// Notes that a heartbeat found rows nobody announced. A notification within [`ANNOUNCED_WITHIN`] makes up for it.
    pub fn unannounced(&mut self, now_ms: i64, rows: u64) {
        if rows > 0 {
            self.unannounced_ms.get_or_insert(now_ms);
        }
    }

    /// Returns why the webhooks are suspected not to come, if they are.
    #[must_use]
    pub fn suspicion(&self, now_ms: i64) -> Option<Suspicion> {
        let unannounced = self
            .unannounced_ms
            .filter(|_| self.overdue_at() <= Some(now_ms));
        if let Some(since_ms) = unannounced {
            return Some(Suspicion::Unannounced { since_ms });
        }
        let silent = self.silent_at().is_some_and(|at_ms| at_ms < now_ms);
        silent.then_some(Suspicion::Silent {
            since_ms: self.last_ms,
        })
    }

    /// Returns when a suspicion comes up next, if nothing is heard until then.
    #[must_use]
    pub fn next_look(&self, now_ms: i64) -> Option<i64> {
        let silent = self.silent_at().map(|at_ms| at_ms.saturating_add(1));
        let later = |at_ms: &i64| *at_ms > now_ms;
        [self.overdue_at(), silent]
            .into_iter()
            .flatten()
            .filter(later)
            .min()
    }

    /// Returns the usual gap between two notifications: half of the time lies in gaps of at most this length.
    #[must_use]
    pub fn usual_gap(&self) -> Option<Duration> {
        let gap = u64::try_from(self.usual_gap_ms()?).unwrap_or(0);
        Some(Duration::from_millis(gap))
    }

    /// Returns the silence from which on an integration is suspected.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        let silence = u64::try_from(self.silence_ms()?).unwrap_or(0);
        Some(Duration::from_millis(silence))
    }

    fn overdue_at(&self) -> Option<i64> {
        let found_ms = self.unannounced_ms?;
        Some(found_ms.saturating_add(millis(ANNOUNCED_WITHIN)))
    }

    /// The last instant of silence that is not suspicious.
    fn silent_at(&self) -> Option<i64> {
        Some(self.last_ms.saturating_add(self.silence_ms()?))
    }

    fn silence_ms(&self) -> Option<i64> {
        let usual = self.usual_gap_ms()?.saturating_mul(USUAL_GAPS);
        let learning = self.last_ms.saturating_sub(self.first_ms) < LEARNING_MS;
        let least = if learning {
            SILENCE_WHILE_LEARNING
        } else {
            SILENCE_AT_LEAST
        };
        Some(usual.max(millis(least)))
    }

    fn usual_gap_ms(&self) -> Option<i64> {
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
        Some(SHORTEST_MS << class)
    }

    /// Halves what is learned for every half-life that went by.
    fn forget(&mut self, now_ms: i64) {
        let times = now_ms.saturating_sub(self.halved_ms).max(0) / HALF_LIFE_MS;
        if times > 0 {
            let bits = u32::try_from(times).unwrap_or(u32::MAX);
            for ms in &mut self.time_in {
                *ms = ms.checked_shr(bits).unwrap_or(0);
            }
            self.halved_ms = self
                .halved_ms
                .saturating_add(times.saturating_mul(HALF_LIFE_MS));
        }
    }
}

/// Returns how often to ask an integration for changes while it is under suspicion: twelve times as often as by
/// heartbeat, but not more than every quarter of an hour.
#[must_use]
pub fn suspicious_period(heartbeat: Duration) -> Duration {
    (heartbeat / 12).max(Duration::from_mins(15)).min(heartbeat)
}

fn class(gap_ms: i64) -> usize {
    let fits = |class: &usize| gap_ms <= SHORTEST_MS << *class;
    (0..CLASSES).find(fits).unwrap_or(CLASSES - 1)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
