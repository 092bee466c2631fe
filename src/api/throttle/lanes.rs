//! Which request is next: lanes by urgency, integrations in turn within a lane, first come first served within an
//! integration.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::fetch::Lane;
use crate::ids::IntegrationId;

/// A waiting snapshot gets a page at least this often, however slow the budget is.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(30);

/// After this many catch-up requests in a row another waiting lane gets one. So catch-up takes at most 75 %.
const CATCH_UP_RUN: u32 = 3;

const LANES: usize = Lane::ALL.len();

/// The number of a waiting request. Numbers grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// The integration that a request is for. `None` for a request about the key itself.
pub(super) type Owner = Option<IntegrationId>;

/// All waiting requests.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    queues: [LaneQueue; LANES],
    next_ticket: u64,
    since_snapshot: u32,
    catch_up_run: u32,
    last_snapshot: Option<Duration>,
    /// Whether an integration was ever fetched in another lane than that of one-time loads.
    has_served: bool,
}

#[derive(Debug, Default)]
struct LaneQueue {
    /// Owners with waiting requests. The first owner is served next.
    turns: VecDeque<Owner>,
    waiting: HashMap<Owner, VecDeque<(Ticket, Duration)>>,
    len: usize,
}

impl Lanes {
    /// Adds a request at the end of its owner's queue.
    pub(super) fn join(&mut self, lane: Lane, owner: Owner, now: Duration) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.has_served |= lane != Lane::Backfill && owner.is_some();
        self.queues[lane.position()].push(ticket, owner, now);
        ticket
    }

    /// Removes a request that gave up. Returns whether the request was still waiting.
    pub(super) fn leave(&mut self, lane: Lane, owner: &Owner, ticket: Ticket) -> bool {
        self.queues[lane.position()].remove(owner, ticket)
    }

    /// Removes the request that is served next. Returns its ticket and since when it waited.
    pub(super) fn next(&mut self, now: Duration) -> Option<(Ticket, Duration)> {
        let lane = self.next_lane(now)?;
        if lane == Lane::Snapshot {
            self.since_snapshot = 0;
            self.last_snapshot = Some(now);
        } else {
            self.since_snapshot = self.since_snapshot.saturating_add(1);
        }
        self.catch_up_run = if lane == Lane::CatchUp {
            self.catch_up_run.saturating_add(1)
        } else {
            0
        };
        self.queues[lane.position()].pop()
    }

    /// Returns the number of waiting requests in each lane, the most urgent lane first.
    pub(super) fn waiting(&self) -> [usize; LANES] {
        [0, 1, 2, 3].map(|lane: usize| self.queues[lane].len)
    }

    /// Returns whether nothing but a one-time load ever fetched with this key in this process.
    pub(super) fn only_load(&self) -> bool {
        !self.has_served
    }

    /// Returns whether no request waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.len == 0)
    }

    fn next_lane(&self, now: Duration) -> Option<Lane> {
        let waits = |lane: Lane| self.queues[lane.position()].len > 0;
        let snapshot_is_late = self
            .last_snapshot
            .is_none_or(|last| now.saturating_sub(last) >= SNAPSHOT_WITHIN);
        // Two late snapshots never follow each other. With a budget of one page per minute every snapshot is late, and
        // notifications still come first.
        let snapshot_is_due = self.since_snapshot + 1 >= Lane::FULL_EVERY
            || (snapshot_is_late && self.since_snapshot > 0);
        let catch_up_has_its_share =
            self.catch_up_run >= CATCH_UP_RUN && (waits(Lane::Snapshot) || waits(Lane::Backfill));
        if waits(Lane::Snapshot) && snapshot_is_due {
            Some(Lane::Snapshot)
        } else if waits(Lane::Notified) {
            Some(Lane::Notified)
        } else if waits(Lane::CatchUp) && !catch_up_has_its_share {
            Some(Lane::CatchUp)
        } else if waits(Lane::Snapshot) {
            Some(Lane::Snapshot)
        } else {
            waits(Lane::Backfill).then_some(Lane::Backfill)
        }
    }
}

impl LaneQueue {
    fn push(&mut self, ticket: Ticket, owner: Owner, now: Duration) {
        let waiting = self.waiting.entry(owner.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(owner);
        }
        waiting.push_back((ticket, now));
        self.len += 1;
    }

    fn pop(&mut self) -> Option<(Ticket, Duration)> {
        let owner = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&owner)?;
        let next = waiting.pop_front()?;
        self.len -= 1;
        if waiting.is_empty() {
            self.waiting.remove(&owner);
        } else {
            self.turns.push_back(owner);
        }
        Some(next)
    }

    fn remove(&mut self, owner: &Owner, ticket: Ticket) -> bool {
        let Some(waiting) = self.waiting.get_mut(owner) else {
            return false;
        };
        let Some(place) = waiting.iter().position(|(other, _)| *other == ticket) else {
            return false;
        };
        waiting.remove(place);
        self.len -= 1;
        if waiting.is_empty() {
            self.waiting.remove(owner);
            self.turns.retain(|other| other != owner);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn owner(id: &str) -> Owner {
        IntegrationId::new(id).ok()
    }

    #[test]
    fn integrations_take_turns_and_each_keeps_its_order() {
        let mut lanes = Lanes::default();
        let mut join = |id| lanes.join(Lane::Notified, owner(id), NOW);
        let tickets = ["a:1", "a:1", "a:1", "b:1", "c:1", "b:1"].map(&mut join);
        let served: Vec<_> = std::iter::from_fn(|| lanes.next(NOW))
            .map(|(ticket, _)| tickets.iter().position(|other| *other == ticket))
            .map(|place| place.expect("one of them"))
            .collect();
        assert_eq!(served, [0, 3, 4, 1, 5, 2]);
    }

    #[test]
    fn one_that_leaves_is_not_served_and_holds_up_nobody() {
        let mut lanes = Lanes::default();
        let gone = lanes.join(Lane::Backfill, owner("a:1"), NOW);
        let stays = lanes.join(Lane::Backfill, None, NOW);
        assert!(lanes.leave(Lane::Backfill, &owner("a:1"), gone));
        assert!(!lanes.leave(Lane::Backfill, &owner("a:1"), gone));
        assert_eq!(lanes.next(NOW), Some((stays, NOW)));
        assert!(lanes.is_empty());
        assert_eq!(lanes.next(NOW), None);
        assert!(lanes.queues[3].waiting.is_empty() && lanes.queues[3].turns.is_empty());
    }

    #[test]
    fn a_lane_alone_has_the_whole_budget() {
        for lane in [Lane::CatchUp, Lane::Snapshot, Lane::Backfill] {
            let mut lanes = Lanes::default();
            for _ in 0..20 {
                lanes.join(lane, None, NOW);
            }
            assert_eq!(std::iter::from_fn(|| lanes.next(NOW)).count(), 20);
        }
    }
}
