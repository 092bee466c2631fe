//! Limits the unsigned requests of each address.
//!
//! Reading and hashing a body costs more than refusing it, so a stranger is asked before. Whether a request is signed is
//! known only after. So the request is a [`Trial`]: it counts at its end, if it cost something and was not signed. Requests
//! that run at one time may exceed the allowance. The excess is a debt that later requests wait for, so the rate holds over
//! time. One address cannot owe more than it has connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Negative while requests have to be paid for that ran at one time.
    left: f64,
    at: Instant,
}

/// A request whose signature is not verified yet. When it is dropped, also when it is cancelled, it counts as unsigned if
/// [`costly`](Self::costly) was called.
#[derive(Debug)]
pub(super) struct Trial {
    strangers: Arc<Strangers>,
    who: Neighbour,
    counts: bool,
}

impl Strangers {
    pub(super) fn new(per_second: u32) -> Arc<Self> {
        Arc::new(Self {
            per_second: f64::from(per_second.max(1)),
            known: Mutex::default(),
        })
    }

    /// Takes in an unsigned request. Returns `false` if the address has sent too many.
    pub(super) fn allow(&self, who: Neighbour, now: Instant) -> bool {
        let mut known = self.known();
        let bucket = self.bucket(&mut known, who, now);
        let allowed = bucket.left >= 1.0;
        if allowed {
            bucket.left -= 1.0;
        }
        allowed
    }

    /// Lets a request be read whose signature is not verified yet. Returns `None` if its address has sent too many unsigned
    /// ones.
    pub(super) fn begin(self: &Arc<Self>, who: Neighbour, now: Instant) -> Option<Trial> {
        let allowed = self.bucket(&mut self.known(), who, now).left >= 1.0;
        allowed.then(|| Trial {
            strangers: Arc::clone(self),
            who,
            counts: false,
        })
    }

    /// Returns the allowance of an address, refilled until now.
    fn bucket<'a>(
        &self,
        known: &'a mut Neighbourhood,
        who: Neighbour,
        now: Instant,
    ) -> &'a mut Bucket {
        let Neighbourhood { buckets, swept } = known;
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
        bucket
    }

    fn known(&self) -> MutexGuard<'_, Neighbourhood> {
        // Only complete values are stored, so the state is valid after a panic elsewhere.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + passed * self.per_second).min(self.per_second)
    }
}

impl Trial {
    /// Takes in that the request was read for a good part, or hashed. What is begun and breaks off costs little, and does not
    /// count: else idle connections would use up what a signed webhook of the same address needs.
    pub(super) fn costly(&mut self) {
        self.counts = true;
    }

    /// Takes in that the request is signed, so it does not count.
    pub(super) fn signed(mut self) {
        self.counts = false;
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if self.counts {
            let strangers = &self.strangers;
            let now = Instant::now();
            strangers.bucket(&mut strangers.known(), self.who, now).left -= 1.0;
        }
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

    fn trials(strangers: &Arc<Strangers>, count: usize) -> Vec<Trial> {
        let begin = || strangers.begin(who(1), Instant::now());
        let mut trials: Vec<Trial> = (0..count).map_while(|_| begin()).collect();
        trials.iter_mut().for_each(Trial::costly);
        trials
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_cost_something_and_was_not_signed_counts() {
        let strangers = Strangers::new(5);
        trials(&strangers, 100).into_iter().for_each(Trial::signed);
        for _ in 0..100 {
            drop(strangers.begin(who(1), Instant::now()).expect("allowed"));
        }
        for _ in 0..5 {
            assert_eq!(trials(&strangers, 1).len(), 1);
        }
        assert_eq!(trials(&strangers, 1).len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_runs_at_one_time_is_paid_for_later() {
        let (strangers, start) = (Strangers::new(50), Instant::now());
        let at_once = trials(&strangers, 64);
        assert_eq!(at_once.len(), 64, "none is known as unsigned yet");
        drop(at_once);
        let allowed = |number, millis| {
            let at = start + Duration::from_millis(millis);
            strangers.begin(who(number), at).is_some()
        };
        assert!(!allowed(1, 0) && !allowed(1, 290), "fourteen are owed");
        assert!(allowed(2, 0), "by that address alone");
        assert!(allowed(1, 310));
    }
}
