//! Notices when the pages of a walk bring no new rows any more, and yet go on.
//!
//! Kombo decides how many pages a walk has. Pages without rows, or with rows that the walk has seen already, would
//! otherwise use up the request budget for as long as their cursors are new. A few such pages are no fault: rows shift
//! between pages, and a filter may leave a page empty.

use std::collections::HashSet;

/// Pages in a row without a new row that a walk may have. A sound walk has one or two of them at a time.
pub(super) const MOST_PAGES_WITHOUT_NEWS: u64 = 50;

/// Ids that are remembered, by their hashes. When a walk has more rows, only a sample of its ids is remembered.
const MOST_REMEMBERED: usize = 1 << 16;

/// The ids of a walk, as far as they are remembered.
#[derive(Debug)]
pub(super) struct NewRows {
    met: HashSet<u64>,
    most: usize,
    /// An id is in the sample when so many of the lowest bits of its hash are zero.
    sampled_bits: u32,
    /// Pages, and rows on them, since the last id that was new to the sample.
    pages: u64,
    rows: u64,
    empty_pages: u64,
}

impl NewRows {
    pub(super) fn new() -> Self {
        Self {
            met: HashSet::new(),
            most: MOST_REMEMBERED,
            sampled_bits: 0,
            pages: 0,
            rows: 0,
            empty_pages: 0,
        }
    }

    /// Takes the hashes of the ids of a page. Returns the number of pages in a row that brought nothing new, if there
    /// are too many of them.
    pub(super) fn page(&mut self, ids: &[u64]) -> Result<(), u64> {
        self.pages += 1;
        self.rows += ids.len() as u64;
        self.empty_pages = if ids.is_empty() {
            self.empty_pages + 1
        } else {
            0
        };
        for id in ids {
            if self.is_sampled(*id) && self.met.insert(*id) {
                (self.pages, self.rows) = (0, 0);
            }
        }
        while self.met.len() > self.most {
            self.sampled_bits += 1;
            let bits = self.sampled_bits;
            self.met.retain(|id| id.trailing_zeros() >= bits);
        }
        if self.empty_pages >= MOST_PAGES_WITHOUT_NEWS {
            return Err(self.empty_pages);
        }
        // Of so many new rows one would be in the sample, but for a chance of e^-50.
        let rows_that_would_tell = MOST_PAGES_WITHOUT_NEWS << self.sampled_bits;
        if self.pages >= MOST_PAGES_WITHOUT_NEWS && self.rows >= rows_that_would_tell {
            return Err(self.pages);
        }
        Ok(())
    }

    fn is_sampled(&self, id: u64) -> bool {
        id.trailing_zeros() >= self.sampled_bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(ids: std::ops::Range<u64>) -> Vec<u64> {
        ids.map(|id| xxhash_rust::xxh3::xxh3_64(&id.to_le_bytes()))
            .collect()
    }

    fn pages_until_noticed(rows: &mut NewRows, page: &[u64]) -> usize {
        (1..100_000)
            .find(|_| rows.page(page).is_err())
            .expect("noticed")
    }

    #[test]
    fn fifty_pages_in_a_row_without_rows_or_with_known_rows_are_too_many() {
        let mut rows = NewRows::new();
        for page in 0..1_000 {
            assert_eq!(rows.page(&hashes(page * 10..page * 10 + 12)), Ok(()));
            // Less than fifty pages without news are harmless, as often as they come.
            assert!((0..40).all(|_| rows.page(&[]).is_ok()));
        }
        assert_eq!(pages_until_noticed(&mut rows, &[]), 10);
        let mut rows = NewRows::new();
        assert_eq!(rows.page(&hashes(0..250)), Ok(()));
        assert_eq!(pages_until_noticed(&mut rows, &hashes(7..30)), 50);
        let mut rows = NewRows::new();
        assert_eq!(pages_until_noticed(&mut rows, &[]), 50);
    }

    #[test]
    fn a_large_walk_is_remembered_by_a_sample_and_still_ends_when_it_repeats_itself() {
        let mut rows = NewRows {
            most: 64,
            ..NewRows::new()
        };
        for page in 0..4_000 {
            let page = hashes(page * 10..page * 10 + 10);
            assert_eq!(rows.page(&page), Ok(()), "every page is new");
            assert!(rows.met.len() <= 64);
        }
        let repeats = (0..8_000)
            .map(|page| page % 4_000)
            .position(|page| rows.page(&hashes(page * 10..page * 10 + 10)).is_err());
        let bound = (50 << rows.sampled_bits) / 10 + 1;
        assert!(repeats.is_some_and(|pages| pages <= bound), "{repeats:?}");
    }
}
