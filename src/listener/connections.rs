//! The open connections, and which of them is closed when all places are taken.
//!
//! An open connection costs a stranger nothing, so thousands of them could keep everybody else out. A new connection
//! therefore takes the place of the one that has done nothing useful for the longest time. Connections that have
//! delivered a signed webhook are closed last. A connection whose request is being answered is never closed.

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
    /// Whether the connection has ever delivered a signed webhook.
    proved: bool,
    /// Number of complete requests that are not answered yet.
    answering: u32,
    /// When the connection came, or was last answered.
    since: Instant,
    evict: Arc<Notify>,
}

/// The place of a connection. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Berth {
    connections: Arc<Connections>,
    id: u64,
    evict: Arc<Notify>,
}

/// Protects the place of a connection while its request is being answered.
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

    /// Gives a new connection a place. Closes another connection if all places are taken. Returns `None` if no
    /// connection may be closed.
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

    /// Frees one place, because the system has no more sockets.
    pub(super) fn make_room(&self) {
        let _freed = self.table().evict(None);
    }

    /// Returns the number of open connections.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.table().entries.len()
    }

    fn table(&self) -> MutexGuard<'_, Moorings> {
        // Each change is one insert or one field, so the table is valid after a panic elsewhere.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moorings {
    /// Takes the place of the least useful connection, of one address or of all.
    fn evict(&mut self, who: Option<Neighbour>) -> Option<()> {
        let (&id, _) = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.answering == 0 && who.is_none_or(|who| entry.who == who))
            .min_by_key(|(id, entry)| (entry.proved, entry.since, **id))?;
        // `notify_one` is remembered if the connection is not waiting at this moment.
        self.entries.remove(&id)?.evict.notify_one();
        Some(())
    }
}

impl Berth {
    /// Waits until the place is taken away.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Protects the place until the answer, because a complete and signed request has come.
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
