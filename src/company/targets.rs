//! A short list of related records, without an allocation: pages ask for millions of them.

/// The most records a list of related ones has.
const MOST: usize = 8;

/// A few related records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Targets {
    items: [u64; MOST],
    count: usize,
}

impl Targets {
    /// Adds a record that is not there yet, where there is room.
    pub(super) fn push(&mut self, index: u64) {
        if self.count < MOST && !self.as_slice().contains(&index) {
            self.items[self.count] = index;
            self.count += 1;
        }
    }

    /// Leaves out what is not wanted.
    pub(super) fn keep(&mut self, wanted: impl Fn(u64) -> bool) {
        let all = *self;
        *self = Self::default();
        for index in all.as_slice() {
            if wanted(*index) {
                self.push(*index);
            }
        }
    }

    /// Returns their indexes.
    pub(super) fn as_slice(&self) -> &[u64] {
        &self.items[..self.count]
    }
}
