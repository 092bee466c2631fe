//! Who is connected, and who has to go when all places are taken.
//!
//! A connection that sends nothing costs its owner nothing, so thousands of them would keep everybody else out. A newcomer
//! therefore takes the place of the connection that has done nothing of use for longest; the ones that have delivered
//! a signed webhook go last, and one that is being answered never goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::address::Neighbour;

/// All connections of a listener.
#[derive(Debug)]
pub(super) struct Connections {
    places: usize,
    places_per_address: usize,
    table: Mutex<Moorings>,
}

#[derive(Debug, Default)]
struct Moorings {
    next: u64,
    entries: HashMap<u64, Moored>,
}

#[derive(Debug)]
struct Moored {
    who: Neighbour,
    /// Whether it has ever delivered a signed webhook.
    proved: bool,
    /// Requests that are complete and not answered yet.
    answering: u32,
    /// When it came, or was last answered.
    since: Instant,
    evict: Arc<Notify>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Berth {
    connections: Arc<Connections>,
    id: u64,
    evict: Arc<Notify>,
}

/// Held while a complete request is being answered.
#[derive(Debug)]
pub(super) struct Answering(Arc<Berth>);

impl Connections {
    pub(super) fn new(places: usize, places_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            places,
            places_per_address,
            table: Mutex::default(),
        })
    }

    /// Gives a newcomer a place, at somebody else's cost when all are taken. `None` when nobody can go.
    pub(super) fn admit(self: &Arc<Self>, who: Neighbour, now: Instant) -> Option<Berth> {
        let mut table = self.table();
        let own = table.entries.values().filter(|entry| entry.who == who);
        if own.count() >= self.places_per_address {
            table.evict(Some(who))?;
        } else if table.entries.len() >= self.places {
            table.evict(None)?;
        }
        let (id, evict) = (table.next, Arc::new(Notify::new()));
        table.next += 1;
        let entry = Moored {
            who,
            proved: false,
            answering: 0,
            since: now,
            evict: Arc::clone(&evict),
        };
        table.entries.insert(id, entry);
        Some(Berth {
            connections: Arc::clone(self),
            id,
            evict,
        })
    }

    /// Frees one place, for when the system has no more sockets to give.
    pub(super) fn make_room(&self) {
        let _freed = self.table().evict(None);
    }

    /// Returns how many are connected.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.table().entries.len()
    }

    fn table(&self) -> MutexGuard<'_, Moorings> {
        // Each change is one insert or one field, so a panic elsewhere leaves the table right.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moorings {
    /// Takes away the place of whoever is least useful, of one address or of all.
    fn evict(&mut self, who: Option<Neighbour>) -> Option<()> {
        let (&id, _) = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.answering == 0 && who.is_none_or(|who| entry.who == who))
            .min_by_key(|(id, entry)| (entry.proved, entry.since, **id))?;
        // `notify_one` is remembered when the connection is not waiting at this very moment.
        self.entries.remove(&id)?.evict.notify_one();
        Some(())
    }
}

impl Berth {
    /// Waits until somebody else got the place.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Says that a request of it is complete and signed: until the answer the place is safe.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.change(|entry| {
            entry.proved = true;
            entry.answering += 1;
        });
        Answering(Arc::clone(self))
    }

    fn change(&self, change: impl FnOnce(&mut Moored)) {
        if let Some(entry) = self.connections.table().entries.get_mut(&self.id) {
            change(entry);
        }
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.connections.table().entries.remove(&self.id);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let now = Instant::now();
        self.0.change(|entry| {
            entry.answering -= 1;
            entry.since = now;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    fn who(number: u32) -> Neighbour {
        Neighbour::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    /// Fills three places, a second apart, from three addresses.
    fn full() -> (Arc<Connections>, Vec<Arc<Berth>>, Instant) {
        let (connections, start) = (Connections::new(3, 2), Instant::now());
        let place = |n: u32| {
            let at = start + Duration::from_secs(n.into());
            Arc::new(connections.admit(who(n), at).expect("a place"))
        };
        let places = (0..3).map(place).collect();
        (connections, places, start + Duration::from_secs(10))
    }

    fn evicted(places: &[Arc<Berth>]) -> Vec<usize> {
        let gone = |place: &Arc<Berth>| place.evicted().now_or_never().is_some();
        (0..places.len()).filter(|at| gone(&places[*at])).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_takes_the_place_of_the_one_idle_for_longest() {
        let (connections, places, now) = full();
        let newcomer = connections.admit(who(9), now);
        assert!(newcomer.is_some());
        assert_eq!(evicted(&places), [0]);
        assert_eq!(connections.count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_proved_itself_goes_after_those_that_have_not() {
        let (connections, places, now) = full();
        drop(places[0].answering());
        let newcomers = [
            connections.admit(who(9), now),
            connections.admit(who(9), now),
        ];
        assert!(newcomers.iter().all(Option::is_some));
        assert_eq!(evicted(&places), [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_being_answered_never_goes() {
        let (connections, places, now) = full();
        let answering: Vec<Answering> = places.iter().map(Berth::answering).collect();
        assert!(connections.admit(who(9), now).is_none());
        drop(answering);
        assert!(connections.admit(who(9), now).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_at_its_limit_gives_up_a_place_of_its_own() {
        let (connections, places, now) = full();
        let second = connections.admit(who(2), now).map(Arc::new);
        assert_eq!(evicted(&places), [0], "all places were taken");
        let third = connections.admit(who(2), now);
        assert!(second.is_some() && third.is_some());
        assert_eq!(evicted(&places), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_given_back_once() {
        let (connections, places, now) = full();
        let newcomer = connections.admit(who(9), now);
        drop(places);
        assert_eq!(connections.count(), 1);
        drop(newcomer);
        assert_eq!(connections.count(), 0);
    }
}
