//! The memory of all bodies that are being received.
//!
//! A body is announced by a few bytes and may then take ten seconds. So its memory is reserved before a byte of it is read,
//! in all and for each address, and given back when the body is dropped, also when the request is cancelled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::Neighbour;

/// A body of at most this size is not counted: it is smaller than the buffers that its connection has anyway, and a
/// connection has one body at a time. Kombo's bodies have about 1 to 3 KiB, so they find room whoever sends beside them.
const UNCOUNTED_BYTES: usize = 4 * 1024;

/// The share of the budget that unproved senders cannot take, and that one address can: a quarter.
const SHARE: usize = 4;

/// Bytes that may be reserved, and those that are.
#[derive(Debug)]
pub(super) struct BodyBudget {
    bytes: usize,
    per_address: bool,
    reserved: Mutex<Reserved>,
}

#[derive(Debug, Default)]
struct Reserved {
    all: usize,
    unproved: usize,
    by_address: HashMap<Neighbour, usize>,
}

/// The memory of one body. Dropping it gives the memory back.
#[derive(Debug)]
pub(super) struct BodyRoom {
    budget: Arc<BodyBudget>,
    who: Neighbour,
    proved: bool,
    counted: usize,
}

impl BodyBudget {
    /// Makes a budget of so many bytes. Behind a proxy all senders share one address, and have no share for each.
    pub(super) fn new(bytes: usize, behind_proxy: bool) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            per_address: !behind_proxy,
            reserved: Mutex::default(),
        })
    }

    /// Reserves the memory of a body. Returns `None` if it has no room now.
    pub(super) fn reserve(
        self: &Arc<Self>,
        who: Neighbour,
        proved: bool,
        bytes: usize,
    ) -> Option<BodyRoom> {
        let counted = if bytes > UNCOUNTED_BYTES { bytes } else { 0 };
        if counted > 0 {
            let quarter = self.bytes / SHARE;
            let mut reserved = self.reserved();
            let of_address = reserved.by_address.get(&who).copied().unwrap_or(0) + counted;
            let fits = reserved.all + counted <= self.bytes
                && (proved || reserved.unproved + counted <= self.bytes - quarter)
                && (!self.per_address || of_address <= quarter);
            if !fits {
                return None;
            }
            reserved.all += counted;
            if !proved {
                reserved.unproved += counted;
            }
            reserved.by_address.insert(who, of_address);
        }
        Some(BodyRoom {
            budget: Arc::clone(self),
            who,
            proved,
            counted,
        })
    }

    fn reserved(&self) -> MutexGuard<'_, Reserved> {
        // Nothing between two changes of the sums can panic, so they agree after a panic elsewhere.
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for BodyRoom {
    fn drop(&mut self) {
        if self.counted == 0 {
            return;
        }
        let mut reserved = self.budget.reserved();
        reserved.all -= self.counted;
        if !self.proved {
            reserved.unproved -= self.counted;
        }
        if let Some(bytes) = reserved.by_address.get_mut(&self.who) {
            *bytes -= self.counted;
            if *bytes == 0 {
                reserved.by_address.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const KIB: usize = 1024;
    const BODY: usize = 64 * KIB;

    fn who(number: u32) -> Neighbour {
        Neighbour::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    /// Reserves as many full bodies as an address gets.
    fn fill(budget: &Arc<BodyBudget>, number: u32, proved: bool) -> Vec<BodyRoom> {
        std::iter::from_fn(|| budget.reserve(who(number), proved, BODY)).collect()
    }

    #[test]
    fn one_address_gets_a_quarter_and_strangers_together_three() {
        let budget = BodyBudget::new(64 * BODY, false);
        let rooms: Vec<_> = (0..10).map(|number| fill(&budget, number, false)).collect();
        let counts: Vec<usize> = rooms.iter().map(Vec::len).collect();
        assert_eq!(counts, [16, 16, 16, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            fill(&budget, 77, true).len(),
            16,
            "the quarter that is kept"
        );
        assert_eq!(budget.reserved().all, 48 * BODY, "and given back");
    }

    #[test]
    fn proved_senders_use_all_that_strangers_leave() {
        let budget = BodyBudget::new(64 * BODY, false);
        let rooms: Vec<_> = (0..5).map(|number| fill(&budget, number, true)).collect();
        let counts: Vec<usize> = rooms.iter().map(Vec::len).collect();
        assert_eq!(counts, [16, 16, 16, 16, 0]);
        assert!(budget.reserve(who(9), false, BODY).is_none());
    }

    #[test]
    fn behind_a_proxy_one_address_is_everybody() {
        let budget = BodyBudget::new(64 * BODY, true);
        assert_eq!(fill(&budget, 1, true).len(), 64);
    }

    #[test]
    fn a_body_of_kombos_size_has_room_when_nothing_else_has() {
        let budget = BodyBudget::new(64 * BODY, false);
        let _rooms: Vec<_> = (0..3).map(|number| fill(&budget, number, false)).collect();
        assert!(budget.reserve(who(1), false, UNCOUNTED_BYTES).is_some());
        assert!(budget.reserve(who(1), false, UNCOUNTED_BYTES + 1).is_none());
    }

    #[test]
    fn what_is_dropped_is_given_back_to_the_byte() {
        let budget = BodyBudget::new(64 * BODY, false);
        for size in [0, 1, 5000, BODY, 3 * BODY] {
            let rooms: Vec<_> = (0..3)
                .map(|number| budget.reserve(who(number), number == 0, size))
                .collect();
            assert!(rooms.iter().all(Option::is_some));
        }
        let reserved = budget.reserved();
        assert_eq!((reserved.all, reserved.unproved), (0, 0));
        assert!(reserved.by_address.is_empty(), "no address is remembered");
    }

    #[test]
    fn a_sender_that_is_proved_meanwhile_gives_back_what_it_took() {
        let budget = BodyBudget::new(64 * BODY, false);
        let before = budget.reserve(who(1), false, BODY);
        let after = budget.reserve(who(1), true, BODY);
        drop(before);
        assert_eq!(budget.reserved().unproved, 0);
        drop(after);
        assert_eq!(budget.reserved().all, 0);
    }
}
