//! Whether a table has to be fetched: two counters and one rule for every possible overlap of changes and fetches.

/// The changes and fetches of a table, as two counters.
///
/// Every sign of a change raises the dirty counter. A fetch captures the dirty counter when the fetch starts. The
/// commit of the fetch raises the clean counter to the captured value. So repeated signs cost nothing, and order does
/// not matter. A sign that comes while a fetch runs is still there after the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirtyBits {
    dirty_seq: u64,
    clean_seq: u64,
}

/// The dirty counter at the start of a fetch. The commit of the fetch makes this value clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured(u64);

impl DirtyBits {
    /// Returns the counters of a table that was never asked for.
    #[must_use]
    pub const fn clean() -> Self {
        Self {
            dirty_seq: 0,
            clean_seq: 0,
        }
    }

    /// Returns the counters of a table after a start. The table is dirty, because changes before the start are unknown.
    #[must_use]
    pub const fn after_start() -> Self {
        Self {
            dirty_seq: 1,
            clean_seq: 0,
        }
    }

    /// Records a sign that the table may have changed.
    pub fn mark(&mut self) {
        self.dirty_seq += 1;
    }

    /// Captures what a fetch will cover. Must be called before the first request of the fetch.
    #[must_use]
    pub fn begin_fetch(&self) -> Captured {
        Captured(self.dirty_seq)
    }

    /// Records that a fetch was committed. A failed fetch is not recorded, so its table stays dirty.
    pub fn committed(&mut self, captured: Captured) {
        self.clean_seq = self.clean_seq.max(captured.0);
    }

    /// Returns whether there was a sign after which no committed fetch started.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty_seq > self.clean_seq
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The events of a table. The numbers pick one of the running fetches.
    #[derive(Clone, Debug)]
    enum Event {
        Sign,
        Begin,
        Commit(usize),
        Fail(usize),
        Crash,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => Just(Event::Sign),
            3 => Just(Event::Begin),
            3 => (0..8_usize).prop_map(Event::Commit),
            1 => (0..8_usize).prop_map(Event::Fail),
            1 => Just(Event::Crash),
        ]
    }

    /// The rule written out: when each sign came, and when each committed fetch began.
    #[derive(Default)]
    struct Naive {
        signs: Vec<usize>,
        committed: Vec<usize>,
    }

    impl Naive {
        fn is_dirty(&self) -> bool {
            let covered = |sign: &usize| self.committed.iter().any(|began| began > sign);
            !self.signs.iter().all(covered)
        }
    }

    proptest! {
        #[test]
        fn a_table_is_clean_when_every_sign_has_a_committed_fetch_that_began_later(
            events in prop::collection::vec(event(), 0..60)
        ) {
            let (mut bits, mut naive) = (DirtyBits::after_start(), Naive { signs: vec![0], ..Naive::default() });
            let mut running: Vec<(Captured, usize)> = Vec::new();
            for (now, event) in (1..).zip(events) {
                match event {
                    Event::Sign => {
                        bits.mark();
                        naive.signs.push(now);
                    }
                    Event::Begin => running.push((bits.begin_fetch(), now)),
                    Event::Commit(which) if which < running.len() => {
                        let (captured, began) = running.swap_remove(which);
                        bits.committed(captured);
                        naive.committed.push(began);
                    }
                    Event::Fail(which) if which < running.len() => drop(running.swap_remove(which)),
                    Event::Crash => {
                        running.clear();
                        bits = DirtyBits::after_start();
                        naive = Naive { signs: vec![now], ..Naive::default() };
                    }
                    Event::Commit(_) | Event::Fail(_) => {}
                }
                prop_assert_eq!(bits.is_dirty(), naive.is_dirty());
            }
        }
    }

    #[test]
    fn a_sign_during_a_fetch_outlives_it() {
        let mut bits = DirtyBits::after_start();
        let captured = bits.begin_fetch();
        bits.mark();
        bits.committed(captured);
        assert!(bits.is_dirty());
        bits.committed(bits.begin_fetch());
        assert!(!bits.is_dirty());
    }

    #[test]
    fn a_fetch_that_ends_late_takes_nothing_back() {
        let mut bits = DirtyBits::clean();
        let early = bits.begin_fetch();
        bits.mark();
        bits.committed(bits.begin_fetch());
        bits.committed(early);
        assert!(!bits.is_dirty());
    }
}
