//! Computes the bytes that a query reads of a file with a known footer, as an engine with pruning reads them.

use crate::delta::file::footer::{Group, LeafColumn};

/// Bytes that are read of a row group for the rows of one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupCost {
    /// By an engine that selects pages with the page index.
    pub(super) by_pages: u64,
    /// By an engine that reads complete row groups.
    pub(super) whole: u64,
}

impl Group {
    /// Returns whether the group may hold rows of an id, by the bounds of the id column.
    pub(super) fn may_hold(&self, id: &str) -> bool {
        let column = self.id.map(|at| &self.columns[at]);
        let bounds = column.and_then(|column| column.bounds.as_ref());
        bounds.is_none_or(|bounds| contains(bounds, id))
    }

    /// Returns the bytes read of all columns for the rows of an id.
    pub(super) fn cost(&self, id: &str) -> GroupCost {
        let sum = |of: &dyn Fn(&LeafColumn) -> u64| self.columns.iter().map(of).sum::<u64>();
        let whole = sum(&|column| column.bytes);
        let rows = self.rows_of(id);
        let by_pages = match &rows {
            // Without a page index the complete group is read.
            None => whole,
            Some(rows) => {
                let index = sum(&|column| column.index_bytes);
                index + sum(&|column| self.bytes_of(column, rows))
            }
        };
        GroupCost {
            by_pages: by_pages.min(whole),
            whole,
        }
    }

    /// Returns the rows of the pages that may hold an id, as ranges; `None` without a page index.
    fn rows_of(&self, id: &str) -> Option<Vec<(u64, u64)>> {
        let pages = &self.columns[self.id?].pages;
        if pages.is_empty() {
            return None;
        }
        let ends = pages.iter().skip(1).map(|page| page.first_row);
        let ends = ends.chain([self.rows]);
        let ranges = pages.iter().zip(ends).filter(|(page, _)| {
            let bounds = page.bounds.as_ref();
            bounds.is_none_or(|bounds| contains(bounds, id))
        });
        Some(ranges.map(|(page, end)| (page.first_row, end)).collect())
    }

    /// Returns the bytes of the column's pages that overlap these rows, plus the dictionary.
    fn bytes_of(&self, column: &LeafColumn, rows: &[(u64, u64)]) -> u64 {
        if column.pages.is_empty() {
            return column.bytes;
        }
        let ends = column.pages.iter().skip(1).map(|page| page.first_row);
        let ends = ends.chain([self.rows]);
        let wanted = column.pages.iter().zip(ends).filter(|(page, end)| {
            let mut rows = rows.iter();
            rows.any(|(from, to)| page.first_row < *to && *end > *from)
        });
        let pages: u64 = wanted.map(|(page, _)| page.bytes).sum();
        if pages == 0 {
            return 0;
        }
        column.dictionary_bytes + pages
    }
}

fn contains((least, most): &(Vec<u8>, Vec<u8>), id: &str) -> bool {
    (least.as_slice()..=most.as_slice()).contains(&id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::file::footer::DataPage;

    fn bounds(least: &str, most: &str) -> (Vec<u8>, Vec<u8>) {
        (least.into(), most.into())
    }

    fn page(first_row: u64, bytes: u64) -> DataPage {
        DataPage {
            first_row,
            bytes,
            bounds: None,
        }
    }

    /// Ids in pages of two rows, another column in pages of three.
    fn group() -> Group {
        let mut ids = [page(0, 10), page(2, 20), page(4, 30)];
        for (page, (least, most)) in ids.iter_mut().zip([("a", "b"), ("c", "d"), ("e", "f")]) {
            page.bounds = Some(bounds(least, most));
        }
        let id = LeafColumn {
            bytes: 60,
            index_bytes: 5,
            pages: ids.to_vec(),
            bounds: Some(bounds("a", "f")),
            ..LeafColumn::default()
        };
        let other = LeafColumn {
            bytes: 1_000,
            dictionary_bytes: 100,
            index_bytes: 7,
            pages: vec![page(0, 400), page(3, 500)],
            ..LeafColumn::default()
        };
        Group {
            rows: 6,
            columns: vec![id, other],
            id: Some(0),
            ..Group::default()
        }
    }

    #[test]
    fn only_pages_that_share_rows_with_the_id_are_read_with_their_dictionaries() {
        let group = group();
        // Rows 4 and 5: the last page of each.
        let cost = group.cost("e");
        assert_eq!((cost.by_pages, cost.whole), (12 + 30 + 600, 1_060));
        // Rows 2 and 3: both pages of the other column are read, so reading the index saves nothing.
        assert_eq!(group.cost("c").by_pages, 12 + 20 + 1_000);
    }

    #[test]
    fn what_is_outside_of_the_bounds_is_not_read_and_without_an_index_everything_is() {
        let mut group = group();
        assert!(group.may_hold("c") && !group.may_hold("g"));
        for column in &mut group.columns {
            column.pages.clear();
        }
        assert_eq!(group.cost("c").by_pages, 1_060);
        group.columns[0].bounds = None;
        assert!(group.may_hold("g"), "nothing is known");
    }
}
