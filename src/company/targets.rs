//! A short list of related records that needs no allocation, because pages ask for millions of such lists.

/// Most records of a list.
const MOST: usize = 8;

/// The indexes of a few related records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Targets {
    items: [u64; MOST],
    count: usize,
}

impl Targets {
    /// Adds a record, unless the list has it or is full.
    pub(super) fn push(&mut self, index: u64) {
        if self.count < MOST && !self.as_slice().contains(&index) {
            self.items[self.count] = index;
            self.count += 1;
        }
    }

    /// Keeps only the records that are wanted.
    pub(super) fn keep(&mut self, wanted: impl Fn(u64) -> bool) {
        let all = *self;
        *self = Self::default();
        for index in all.as_slice() {
            if wanted(*index) {
                self.push(*index);
            }
        }
    }

    /// Returns the indexes of the records.
    pub(super) fn as_slice(&self) -> &[u64] {
        &self.items[..self.count]
    }
}
