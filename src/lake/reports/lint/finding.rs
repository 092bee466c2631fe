//! What is worth mending in a table, and how.

use crate::lake::reports::lint::{Query, TableLint};

/// Small files of one partition that are worth a word.
const MERGEABLE: u64 = 16;

/// Files that the search for one record may open.
const LOOKUP_FILES: u64 = 2;

/// One thing that is worth mending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finding {
    /// Many small files lie in one partition.
    SmallFiles(u64),
    /// Files of which the log has no statistics: nobody can pass them over.
    NoStatistics(u64),
    /// Files without an index of their pages.
    NoPageIndex(u64),
    /// Files without a bloom filter on `id`.
    NoBloomFilter(u64),
    /// Files that do not say what they are sorted by.
    NotSorted(u64),
    /// Files that another program wrote.
    NotOurs(u64),
    /// Files of one integration whose ids overlap, in `current`.
    Overlaps(u64),
    /// Row groups that are so large that little is passed over.
    LargeGroups(u64),
    /// Row groups so small that their description outweighs them.
    SmallGroups(u64),
    /// The search for one record opens so many files.
    WideLookups(u64),
}

impl Finding {
    /// Returns the word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.told().1
    }

    /// Returns how many.
    #[must_use]
    pub fn count(self) -> u64 {
        self.told().0
    }

    /// Returns what was found, after the number.
    #[must_use]
    pub fn what(self) -> &'static str {
        self.told().2
    }

    /// Returns how many, the word for programs, and the one for people.
    fn told(self) -> (u64, &'static str, &'static str) {
        match self {
            Self::SmallFiles(n) => (n, "small_files", "small files that could be larger ones"),
            Self::NoStatistics(n) => (n, "no_statistics", "files without statistics in the log"),
            Self::NoPageIndex(n) => (n, "no_page_index", "files without a page index"),
            Self::NoBloomFilter(n) => (n, "no_bloom_filter", "files without a bloom filter on id"),
            Self::NotSorted(n) => {
                let what = "files that do not say how they are sorted";
                (n, "not_sorted", what)
            }
            Self::NotOurs(n) => (n, "not_ours", "files that another program wrote"),
            Self::Overlaps(n) => {
                let what = "files whose ids overlap with another of the same integration";
                (n, "overlaps", what)
            }
            Self::LargeGroups(n) => {
                let what = "row groups that are too large to be passed over in part";
                (n, "large_row_groups", what)
            }
            Self::SmallGroups(n) => {
                let what = "row groups so small that their description outweighs them";
                (n, "small_row_groups", what)
            }
            Self::WideLookups(n) => (n, "wide_lookups", "files opened to find one record"),
        }
    }

    /// Returns what to do.
    #[must_use]
    pub fn advice(self, table: &str) -> &'static str {
        match self {
            Self::SmallFiles(_) if table.ends_with("/deltas") || table == "kombo_drift" => {
                "run `kombo-source upkeep`, or leave it to the service, which does so daily"
            }
            Self::SmallFiles(_) | Self::LargeGroups(_) | Self::SmallGroups(_) => {
                "set run_bytes and row_group_bytes back to their defaults; the next full fetch writes the files anew"
            }
            Self::Overlaps(_) | Self::WideLookups(_) => {
                "fold the integration again: its next full fetch writes its files anew, in order"
            }
            Self::NoStatistics(_)
            | Self::NoPageIndex(_)
            | Self::NoBloomFilter(_)
            | Self::NotSorted(_)
            | Self::NotOurs(_) => {
                "let no other program write here; the next full fetch of the integration writes its files anew"
            }
        }
    }
}

impl TableLint {
    /// Returns what is worth mending.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        // The runs of a snapshot are sorted each for itself: only `current` is in order as a whole.
        let in_order = self.table.ends_with("/current");
        let lookup = self.queries.iter();
        let lookup = lookup.filter(|cost| in_order && cost.query == Query::OneRecord);
        let opened = lookup.map(|cost| cost.most_files).max().unwrap_or_default();
        let all = [
            (self.mergeable_files, MERGEABLE, Finding::SmallFiles as Of),
            (self.without_statistics, 1, Finding::NoStatistics),
            (self.without_page_index, 1, Finding::NoPageIndex),
            (self.without_bloom_filter, 1, Finding::NoBloomFilter),
            (self.without_sorting, 1, Finding::NotSorted),
            (self.not_ours, 1, Finding::NotOurs),
            (self.overlapping_files, 1, Finding::Overlaps),
            (self.large_groups, 1, Finding::LargeGroups),
            (self.small_groups, 1, Finding::SmallGroups),
            (opened, LOOKUP_FILES + 1, Finding::WideLookups),
        ];
        let found = all.into_iter().filter(|(count, least, _)| count >= least);
        found.map(|(count, _, finding)| finding(count)).collect()
    }
}

type Of = fn(u64) -> Finding;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_as_we_write_it_has_nothing_to_mend() {
        let table = TableLint {
            files: 40,
            small_files: 40,
            mergeable_files: 15,
            ..TableLint::default()
        };
        assert_eq!(table.findings(), []);
    }

    #[test]
    fn each_finding_has_its_number_and_says_what_to_do() {
        let table = TableLint {
            mergeable_files: 16,
            overlapping_files: 2,
            not_ours: 1,
            ..TableLint::default()
        };
        let findings = table.findings();
        let expected = [
            Finding::SmallFiles(16),
            Finding::NotOurs(1),
            Finding::Overlaps(2),
        ];
        assert_eq!(findings, expected);
        assert_eq!(findings[0].count(), 16);
        let advice = findings[0].advice("ats_tags/deltas");
        assert!(advice.contains("upkeep"), "{advice}");
    }
}
