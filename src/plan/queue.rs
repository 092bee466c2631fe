//! The tables that wait to be fetched, and which one is next.
//!
//! A table is in the queue once, however often it is asked for. So the queue is never longer than the number of tables.
//! Within a lane the integration that was served longest ago goes first, and within an integration the table that was
//! served longest ago. Among those that were never served, the one that was asked for last goes first. So the newest
//! notification comes first as long as no other table is kept waiting.

mod turns;

use std::cmp::Reverse;
use std::collections::HashMap;

use super::dirty::{Captured, DirtyBits};
use crate::fetch::Lane;
use crate::ids::{IntegrationId, TableId};
use turns::{Rank, Turns};

/// The lanes of full fetches, the more urgent lane first.
const FULL: [Lane; 2] = [Lane::Snapshot, Lane::Backfill];

/// How a table is fetched. The base is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The changed rows.
    Delta,
    /// Every row.
    Snapshot,
}

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Delta, Self::Snapshot];

    /// Returns `delta` or `snapshot`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Snapshot => "snapshot",
        }
    }
}

/// A fetch to run. The caller hands it back with [`Queue::committed`] or [`Queue::failed`].
#[derive(Debug, PartialEq, Eq)]
pub struct Work {
    /// The table to fetch.
    pub table: TableId,
    /// Whether to fetch a delta or a snapshot.
    pub kind: Kind,
    /// The lane whose share of the request budget pays for the fetch.
    pub lane: Lane,
    pick: u64,
    captured: Captured,
    /// The signs for a delta that the snapshot covers as well.
    delta: Option<Captured>,
}

/// The tables that have to be fetched. Each table runs at most once as a delta and once as a snapshot at the same time.
#[derive(Debug, Default)]
pub struct Queue {
    slots: HashMap<(TableId, Kind), QueueSlot>,
    lanes: [Turns; Lane::ALL.len()],
    arrivals: u64,
    picks: u64,
    since_full: u32,
}

/// The state of one table as a delta or as a snapshot.
#[derive(Debug)]
struct QueueSlot {
    bits: DirtyBits,
    lane: Lane,
    served: u64,
    place: SlotState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlotState {
    Idle,
    Waiting(Rank),
    Running { pick: u64 },
}

impl Queue {
    /// Asks for a table because of a notification, a start, a heartbeat or the schedule. A table that is asked for
    /// during its fetch is fetched again.
    pub fn want(&mut self, table: &TableId, kind: Kind, lane: Lane) {
        let slot = self
            .slots
            .entry((table.clone(), kind))
            .or_insert(QueueSlot {
                bits: DirtyBits::clean(),
                lane,
                served: 0,
                place: SlotState::Idle,
            });
        let lane = if slot.bits.is_dirty() {
            lane.min(slot.lane)
        } else {
            lane
        };
        slot.bits.mark();
        self.wait(table, kind, lane);
    }

    /// Asks again, without a new sign, for a table whose fetch failed. Returns whether there is anything to fetch.
    pub fn retry(&mut self, table: &TableId, kind: Kind) -> bool {
        let slot = self.slots.get(&(table.clone(), kind));
        let Some(lane) = slot.filter(|s| s.bits.is_dirty()).map(|s| s.lane) else {
            return false;
        };
        self.wait(table, kind, lane);
        true
    }

    /// Asks for the tables of a hint file. They were dirty before a stop and count as notified, in the order of the
    /// file.
    pub fn hint<'a>(&mut self, tables: impl DoubleEndedIterator<Item = &'a TableId>) {
        for table in tables.rev() {
            self.want(table, Kind::Delta, Lane::Notified);
        }
    }

    /// Takes the next fetch from a lane for which the caller has room.
    ///
    /// The most urgent lane comes first. But while a snapshot or a backfill waits, every fifth fetch is one of these.
    pub fn next(&mut self, room: impl Fn(Lane) -> bool) -> Option<Work> {
        let open = |lane: &Lane| room(*lane) && !self.lanes[lane.position()].is_empty();
        let full = FULL.into_iter().find(open);
        let lane = full
            .filter(|_| self.since_full + 1 >= Lane::FULL_EVERY)
            .or_else(|| Lane::ALL.into_iter().find(open))?;
        self.since_full = if FULL.contains(&lane) {
            0
        } else {
            (self.since_full + 1).min(Lane::FULL_EVERY)
        };
        self.picks += 1;
        let pick = self.picks;
        let (table, kind) = self.lanes[lane.position()].take(pick)?;
        let delta = (kind == Kind::Snapshot)
            .then(|| self.slots.get(&(table.clone(), Kind::Delta)))
            .flatten()
            .map(|slot| slot.bits.begin_fetch());
        let slot = self.slots.get_mut(&(table.clone(), kind));
        let slot = slot.expect("every waiting table has a slot");
        (slot.place, slot.served) = (SlotState::Running { pick }, pick);
        Some(Work {
            captured: slot.bits.begin_fetch(),
            table,
            kind,
            lane,
            pick,
            delta,
        })
    }

    /// Records that a fetch was committed. Queues the table again if a sign came during the fetch.
    pub fn committed(&mut self, work: &Work) {
        let Some(slot) = self.running(work) else {
            return;
        };
        slot.bits.committed(work.captured);
        slot.place = SlotState::Idle;
        self.retry(&work.table, work.kind);
        let delta = self.slots.get_mut(&(work.table.clone(), Kind::Delta));
        if let Some((slot, captured)) = delta.zip(work.delta) {
            slot.bits.committed(captured);
            if !slot.bits.is_dirty() {
                self.leave(&work.table, Kind::Delta);
            }
        }
    }

    /// Records that a fetch failed. Its table stays dirty, and waits for [`Self::retry`] or the next sign.
    pub fn failed(&mut self, work: &Work) {
        if let Some(slot) = self.running(work) {
            slot.place = SlotState::Idle;
        }
    }

    /// Removes an integration that is deleted or parked. Fetches of the integration that are handed back later change
    /// nothing.
    pub fn remove(&mut self, integration: &IntegrationId) {
        let own = |(table, _): &&(TableId, Kind)| table.integration == *integration;
        let slots: Vec<_> = self.slots.keys().filter(own).cloned().collect();
        for (table, kind) in slots {
            self.leave(&table, kind);
            self.slots.remove(&(table, kind));
        }
        for lane in &mut self.lanes {
            lane.forget(integration);
        }
    }

    /// Removes a table that is no longer fetched. Fetches of the table that are handed back later change nothing.
    pub fn forget(&mut self, table: &TableId) {
        for kind in Kind::ALL {
            self.leave(table, kind);
            self.slots.remove(&(table.clone(), kind));
        }
    }

    /// Returns whether there was a sign for a table that no committed fetch covers.
    #[must_use]
    pub fn is_dirty(&self, table: &TableId) -> bool {
        let slot = |kind| self.slots.get(&(table.clone(), kind));
        Kind::ALL
            .into_iter()
            .filter_map(slot)
            .any(|slot| slot.bits.is_dirty())
    }

    /// Returns the number of waiting fetches.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(Turns::len).sum()
    }

    /// Returns the number of waiting fetches in each lane, the most urgent lane first.
    #[must_use]
    pub fn waiting_by_lane(&self) -> [usize; Lane::ALL.len()] {
        Lane::ALL.map(|lane| self.lanes[lane.position()].len())
    }

    /// Puts a table into a lane, or moves it up if it waits already. A running fetch is queued when it is handed back.
    fn wait(&mut self, table: &TableId, kind: Kind, lane: Lane) {
        self.arrivals += 1;
        let arrival = Reverse(self.arrivals);
        let key = (table.clone(), kind);
        let Some(slot) = self.slots.get(&key) else {
            return;
        };
        let rank = Rank {
            served: slot.served,
            arrival,
        };
        if !matches!(slot.place, SlotState::Running { .. }) {
            self.leave(table, kind);
            self.lanes[lane.position()].join(table, kind, rank);
        }
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.lane = lane;
            if slot.place == SlotState::Idle {
                slot.place = SlotState::Waiting(rank);
            }
        }
    }

    fn leave(&mut self, table: &TableId, kind: Kind) {
        let slot = self.slots.get_mut(&(table.clone(), kind));
        if let Some(slot) = slot
            && let SlotState::Waiting(rank) = slot.place
        {
            slot.place = SlotState::Idle;
            self.lanes[slot.lane.position()].leave(table, kind, rank);
        }
    }

    /// Returns the slot of a fetch, unless the table was removed in the meantime.
    fn running(&mut self, work: &Work) -> Option<&mut QueueSlot> {
        let slot = self.slots.get_mut(&(work.table.clone(), work.kind));
        slot.filter(|slot| slot.place == SlotState::Running { pick: work.pick })
    }
}

#[cfg(test)]
mod tests;
