//! Whether an integration's webhooks still arrive.
//!
//! A lost webhook leaves no trace, so there are two signs. A heartbeat brings changes that no notification announced.
//! Or notifications stop for much longer than usual. Both signs can be wrong, and then they cost some empty requests:
//! the only effect of a suspicion is that the integration is polled more often, until a notification arrives.
//!
//! The usual gap is the gap that half of the time lies in, not half of the gaps. Customers work by day: of a hundred
//! gaps ninety are minutes long, but most of the week is nights and a weekend.

use std::time::Duration;

use crate::time::{Moment, millis};

/// How long a change may stay unannounced. Kombo collects changes before it sends a notification, and a fetch may be
/// faster.
pub const ANNOUNCED_WITHIN: Duration = Duration::from_mins(5);

/// Silence up to this length is never suspicious.
pub const SILENCE_AT_LEAST: Duration = Duration::from_hours(6);

/// Until notifications were observed for a week, silence up to this length is not suspicious: it may be the first
/// weekend.
pub const SILENCE_WHILE_LEARNING: Duration = Duration::from_hours(72);

/// Silence is suspicious from this many usual gaps on.
const USUAL_GAPS: u32 = 8;

/// Fewer notifications show no rhythm.
const HEARD_AT_LEAST: u32 = 8;

/// What was learned counts half after this time, and a quarter after twice this time.
const HALF_LIFE: Duration = Duration::from_hours(14 * 24);

/// How long to observe before the usual gap is trusted.
const LEARNING: Duration = Duration::from_hours(7 * 24);

/// Gaps are sorted into classes by powers of two: up to one minute, two, four ... and all above eleven days.
const CLASSES: usize = 16;

/// The upper end of the first class.
const SHORTEST: Duration = Duration::from_mins(1);

/// Why an integration's webhooks are suspected not to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspicion {
    /// A heartbeat found rows that no notification announced.
    Unannounced {
        /// When the heartbeat found the rows.
        since: Moment,
    },
    /// No notification came for much longer than usual.
    Silent {
        /// When the last notification came.
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

/// The rhythm of one integration's notifications. Needs a fixed amount of memory.
#[derive(Clone, Debug, Default)]
pub struct Rhythm {
    heard: u32,
    first: Moment,
    last: Moment,
    /// Time that passed in gaps of each class, in milliseconds. Milliseconds stay whole numbers after many halvings.
    time_in: [i64; CLASSES],
    halved: Moment,
    unannounced: Option<Moment>,
}

impl Rhythm {
    /// Records a notification. Returns the suspicion that the notification ends.
    pub fn notified(&mut self, now: Moment) -> Option<Suspicion> {
        let ended = self.suspicion(now);
        self.unannounced = None;
        if self.heard == 0 {
            (self.first, self.last, self.halved) = (now, now, now);
        }
        // A clock that was set back gives a gap of zero.
        let gap = now.since(self.last);
        // An outage is not a rhythm. Beyond the suspicious length, the length of a gap says nothing about the customer.
        let gap = self.silence().map_or(gap, |limit| gap.min(limit));
        self.forget(now);
        let time_in = &mut self.time_in[class(gap)];
        *time_in = time_in.saturating_add(millis(gap));
        self.heard = self.heard.saturating_add(1);
        self.last = self.last.max(now);
        ended
    }

    /// Records that a heartbeat found rows without a notification. A notification within [`ANNOUNCED_WITHIN`] removes
    /// the record.
    pub fn unannounced(&mut self, now: Moment, rows: u64) {
        if rows > 0 {
            self.unannounced.get_or_insert(now);
        }
    }

    /// Takes in that the clock was replaced, and shows an earlier time now. What the previous clock showed has happened,
    /// so it is not later than `now`. Otherwise no silence would be noticed until the new clock gets there.
    pub fn set_back(&mut self, now: Moment) {
        for at in [&mut self.first, &mut self.last, &mut self.halved] {
            *at = (*at).min(now);
        }
        self.unannounced = self.unannounced.map(|at| at.min(now));
    }

    /// Returns why the webhooks are suspected not to arrive. Returns `None` without a suspicion.
    #[must_use]
    pub fn suspicion(&self, now: Moment) -> Option<Suspicion> {
        let unannounced = self.unannounced.filter(|_| self.overdue_at() <= Some(now));
        if let Some(since) = unannounced {
            return Some(Suspicion::Unannounced { since });
        }
        let silent = self.silent_at().is_some_and(|at| at < now);
        silent.then_some(Suspicion::Silent { since: self.last })
    }

    /// Returns when the next suspicion begins if no notification arrives before.
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

    /// Returns the length of silence from which on an integration is suspected.
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

    /// Returns the last instant at which the silence is not yet suspicious.
    fn silent_at(&self) -> Option<Moment> {
        Some(self.last + self.silence()?)
    }

    /// Halves what was learned once for every half-life that has passed.
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

/// Returns how often to fetch an integration while it is under suspicion: twelve times as often as the heartbeat, but
/// at most once every 15 minutes.
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
