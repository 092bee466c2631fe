//! Limits the unsigned requests of each address.
//!
//! Signed requests do not count. So Kombo is never answered 429 because of somebody behind the same proxy.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::address::Neighbour;

/// The most addresses remembered. Beyond that, unknown addresses share one allowance.
const REMEMBERED: usize = 4096;

/// How often addresses are forgotten that have sent nothing for a while.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The allowance of each address: the requests of one second, refilled as time passes.
#[derive(Debug)]
pub(super) struct Strangers {
    per_second: f64,
    known: Mutex<Neighbourhood>,
}

#[derive(Debug, Default)]
struct Neighbourhood {
    buckets: HashMap<Option<Neighbour>, Bucket>,
    swept: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Strangers {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second.max(1)),
            known: Mutex::default(),
        }
    }

    /// Takes in an unsigned request. Returns `false` if the address has sent too many.
    pub(super) fn allow(&self, who: Neighbour, now: Instant) -> bool {
        // Only complete values are stored, so the state is valid after a panic elsewhere.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Neighbourhood { buckets, swept } = &mut *known;
        let mut key = Some(who);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(&key) {
            // At most once a second: otherwise a flood from many addresses would scan all of them for each request.
            if swept.is_none_or(|at| now >= at + SWEEP_EVERY) {
                // An address with a full allowance need not be remembered.
                buckets.retain(|_, bucket| self.filled(*bucket, now) < self.per_second);
                *swept = Some(now);
            }
            if buckets.len() >= REMEMBERED {
                key = None;
            }
        }
        let full = Bucket {
            left: self.per_second,
            at: now,
        };
        let bucket = buckets.entry(key).or_insert(full);
        bucket.left = self.filled(*bucket, now);
        bucket.at = now;
        let allowed = bucket.left >= 1.0;
        if allowed {
            bucket.left -= 1.0;
        }
        allowed
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + passed * self.per_second).min(self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn who(number: u32) -> Neighbour {
        Neighbour::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn allowed(strangers: &Strangers, number: u32, now: Instant) -> usize {
        let asked = (0..100).filter(|_| strangers.allow(who(number), now));
        asked.count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_brings_a_seconds_worth_and_no_more() {
        let (strangers, now) = (Strangers::new(5), Instant::now());
        assert_eq!(allowed(&strangers, 1, now), 5);
        assert_eq!(allowed(&strangers, 1, now + Duration::from_millis(400)), 2);
        assert_eq!(allowed(&strangers, 1, now + Duration::from_hours(1)), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_does_not_use_up_what_another_may_send() {
        let (strangers, now) = (Strangers::new(5), Instant::now());
        assert_eq!(allowed(&strangers, 1, now), 5);
        assert_eq!(allowed(&strangers, 2, now), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_from_everywhere_fills_no_memory() {
        let (strangers, now) = (Strangers::new(5), Instant::now());
        let admitted = (0..100_000).filter(|n| strangers.allow(who(*n), now));
        assert_eq!(admitted.count(), REMEMBERED + 5);
        let remembered = || strangers.known.lock().expect("no panic").buckets.len();
        assert_eq!(remembered(), REMEMBERED + 1);
        assert!(strangers.allow(who(7_000_000), now + Duration::from_secs(2)));
        assert_eq!(remembered(), 1);
    }
}
