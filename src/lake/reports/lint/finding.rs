//! Findings: what makes a table slow to read, and the remedy.

use crate::lake::reports::lint::{Query, TableLint};
use crate::words::counted;

/// Number of small files in one partition from which they are a finding.
const MERGEABLE: u64 = 16;

/// Number of files that a search for one record may open without a finding.
const LOOKUP_FILES: u64 = 2;

/// One problem of a table's files, with the number of files, groups or opened files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finding {
    /// One partition has many small files.
    SmallFiles(u64),
    /// Files without statistics in the log: engines cannot skip them.
    NoStatistics(u64),
    /// Files without a page index.
    NoPageIndex(u64),
    /// Files without a bloom filter on `id`.
    NoBloomFilter(u64),
    /// Files without a sort order in their metadata.
    NotSorted(u64),
    /// Files that another program wrote.
    NotOurs(u64),
    /// Files of one integration whose ids overlap, in `current`.
    Overlaps(u64),
    /// Row groups that are too large for an engine to skip much.
    LargeGroups(u64),
    /// Row groups so small that reading their metadata costs more than reading their rows.
    SmallGroups(u64),
    /// A search for one record opens this many files.
    WideLookups(u64),
}

impl Finding {
    /// Returns the name for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.told().1
    }

    /// Returns the number of files, groups or opened files.
    #[must_use]
    pub fn count(self) -> u64 {
        self.told().0
    }

    /// Returns the number and the description, as in `2 files without a page index`.
    #[must_use]
    pub fn what(self) -> String {
        let (number, _, noun, rest) = self.told();
        format!("{} {rest}", counted(number, noun))
    }

    /// Returns the number, the name for programs, and the noun and the rest of the description for operators.
    fn told(self) -> (u64, &'static str, &'static str, &'static str) {
        let (number, name, (noun, rest)) = match self {
            Self::SmallFiles(n) => (
                n,
                "small_files",
                ("small file", "in one partition, which could be merged"),
            ),
            Self::NoStatistics(n) => (
                n,
                "no_statistics",
                ("file", "without statistics in the log"),
            ),
            Self::NoPageIndex(n) => (n, "no_page_index", ("file", "without a page index")),
            Self::NoBloomFilter(n) => (
                n,
                "no_bloom_filter",
                ("file", "without a bloom filter on id"),
            ),
            Self::NotSorted(n) => {
                let what = ("file", "without a sort order in the metadata");
                (n, "not_sorted", what)
            }
            Self::NotOurs(n) => (n, "not_ours", ("file", "written by another program")),
            Self::Overlaps(n) => {
                let what = (
                    "file",
                    "with ids that overlap with another file of the same integration",
                );
                (n, "overlaps", what)
            }
            Self::LargeGroups(n) => {
                let what = ("row group", "over 64 MiB, of which engines can skip little");
                (n, "large_row_groups", what)
            }
            Self::SmallGroups(n) => {
                let what = ("row group", "under 64 KiB, too small for efficient reading");
                (n, "small_row_groups", what)
            }
            Self::WideLookups(n) => {
                let what = ("file", "to open to find one record");
                (n, "wide_lookups", what)
            }
        };
        (number, name, noun, rest)
    }

    /// Returns the remedy.
    #[must_use]
    pub fn advice(self, table: &str) -> &'static str {
        match self {
            Self::SmallFiles(_) if table.ends_with("/deltas") || table == "kombo_drift" => {
                "run `kombo-source upkeep` to merge the files; a running service does so daily"
            }
            Self::SmallFiles(_) | Self::LargeGroups(_) | Self::SmallGroups(_) => {
                "set run_bytes and row_group_bytes of the sink to their defaults; the next full fetch of the integration rewrites the files"
            }
            Self::Overlaps(_) | Self::WideLookups(_) => {
                "run `kombo-source upkeep` to put the files in order; a running service does so daily"
            }
            Self::NoStatistics(_)
            | Self::NoPageIndex(_)
            | Self::NoBloomFilter(_)
            | Self::NotSorted(_)
            | Self::NotOurs(_) => {
                "do not let other programs write to this table; the next full fetch of the integration rewrites the files"
            }
        }
    }
}

impl TableLint {
    /// Returns the findings of the table.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        // Each file of a snapshot is sorted by itself. Only `current` is sorted across files.
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
        assert_eq!(findings[1].what(), "1 file written by another program");
        let advice = findings[0].advice("ats_tags/deltas");
        assert!(advice.contains("upkeep"), "{advice}");
    }
}
