//! The addresses that delivered a signed webhook lately.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::address::Neighbour;

/// How long a signed webhook speaks for its address.
const LASTS: Duration = Duration::from_hours(1);

/// The most addresses remembered. Kombo sends from a few.
const REMEMBERED: usize = 1024;

/// Which senders are proved. Their webhooks have room kept for them, and are not limited.
#[derive(Debug)]
pub(super) struct Proved {
    /// Behind a proxy all senders share one address, so nothing is known of one of them.
    behind_proxy: bool,
    delivered: Mutex<HashMap<Neighbour, Instant>>,
}

impl Proved {
    pub(super) fn new(behind_proxy: bool) -> Self {
        Self {
            behind_proxy,
            delivered: Mutex::default(),
        }
    }

    /// Returns whether the address delivered a signed webhook lately. Behind a proxy every sender counts as proved.
    pub(super) fn contains(&self, who: Neighbour, now: Instant) -> bool {
        self.behind_proxy
            || self
                .delivered()
                .get(&who)
                .is_some_and(|at| now < *at + LASTS)
    }

    /// Takes in that an address has delivered a signed webhook.
    pub(super) fn insert(&self, who: Neighbour, now: Instant) {
        if self.behind_proxy {
            return;
        }
        let mut delivered = self.delivered();
        if delivered.len() >= REMEMBERED && !delivered.contains_key(&who) {
            // Only whoever has signed webhooks gets here, so this is rare.
            let oldest = delivered.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(who, _)| *who) {
                delivered.remove(&oldest);
            }
        }
        delivered.insert(who, now);
    }

    fn delivered(&self) -> std::sync::MutexGuard<'_, HashMap<Neighbour, Instant>> {
        // Each change is one insert or one removal, so the map is valid after a panic elsewhere.
        self.delivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn who(number: usize) -> Neighbour {
        let number = u32::try_from(number).expect("small");
        Neighbour::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_signed_webhook_speaks_for_its_address_for_an_hour() {
        let (proved, now) = (Proved::new(false), Instant::now());
        assert!(!proved.contains(who(1), now));
        proved.insert(who(1), now);
        assert!(proved.contains(who(1), now + LASTS - Duration::from_secs(1)));
        assert!(!proved.contains(who(1), now + LASTS));
        assert!(!proved.contains(who(2), now));
    }

    #[tokio::test(start_paused = true)]
    async fn the_address_that_delivered_longest_ago_is_forgotten_first() {
        let (proved, now) = (Proved::new(false), Instant::now());
        for number in 0..=REMEMBERED {
            proved.insert(who(number), now + Duration::from_millis(number as u64));
        }
        assert_eq!(proved.delivered().len(), REMEMBERED);
        assert!(!proved.contains(who(0), now) && proved.contains(who(1), now));
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_proxy_nobody_is_told_from_another() {
        let (proved, now) = (Proved::new(true), Instant::now());
        assert!(proved.contains(who(1), now));
        proved.insert(who(1), now);
        assert!(proved.delivered().is_empty());
    }
}
