//! Finds the files of `current` that a fold of deltas rewrites: only files in which rows change.
//!
//! The files of one integration do not overlap in their ids. Each file owns the ids from its own least id up to the
//! least id of the next file.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, StringArray};

use crate::delta::log::LiveFile;
use crate::lake::fold::sources::least;

/// Neighbouring files of `current`, and the waiting rows that belong into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) files: Range<usize>,
    pub(super) rows: Range<usize>,
}

/// Returns the parts of a table in which rows with these ids change. `ids` are ascending. A file with fewer than
/// `small_bytes` stored bytes is rewritten together with a small neighbour.
pub(super) fn segments(
    files: &[Arc<LiveFile>],
    ids: &StringArray,
    small_bytes: u64,
) -> Vec<Segment> {
    if files.is_empty() {
        let whole = Segment {
            files: 0..0,
            rows: 0..ids.len(),
        };
        return if ids.is_empty() {
            Vec::new()
        } else {
            vec![whole]
        };
    }
    let owner = |id: &str| {
        let behind = files.partition_point(|file| least(file) <= id);
        behind.saturating_sub(1)
    };
    let mut touched: Vec<Range<usize>> = Vec::new();
    for id in ids.iter().flatten() {
        let owner = owner(id);
        match touched.last_mut() {
            Some(last) if owner <= last.end => last.end = last.end.max(owner + 1),
            _ => touched.push(owner..owner + 1),
        }
    }
    take_small_along(files, &mut touched, small_bytes);
    let first_row = |file: usize| match files.get(file) {
        Some(_) if file == 0 => 0,
        Some(file) => first_at_or_behind(ids, least(file)),
        None => ids.len(),
    };
    let segment = |files: Range<usize>| Segment {
        rows: first_row(files.start)..first_row(files.end),
        files,
    };
    touched.into_iter().map(segment).collect()
}

/// Adds small files next to a rewritten small file, so that the number of small files stays low.
fn take_small_along(files: &[Arc<LiveFile>], touched: &mut Vec<Range<usize>>, small_bytes: u64) {
    let mut grown: Vec<Range<usize>> = Vec::new();
    for mut range in touched.drain(..) {
        let small = |file: usize| files.get(file).is_some_and(|file| file.size < small_bytes);
        let all_small = range.clone().all(small);
        while all_small && small(range.end) && range.len() < 32 {
            range.end += 1;
        }
        match grown.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => grown.push(range),
        }
    }
    *touched = grown;
}

fn first_at_or_behind(ids: &StringArray, id: &str) -> usize {
    let (mut from, mut to) = (0, ids.len());
    while from < to {
        let middle = usize::midpoint(from, to);
        if ids.value(middle) < id {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::delta::log::FileBounds;

    const SMALL_BYTES: u64 = 1_000;

    fn file(least: &str, most: &str, size: u64) -> Arc<LiveFile> {
        Arc::new(LiveFile::with_bounds(
            size,
            FileBounds {
                ids: Some((least.to_owned(), most.to_owned())),
                ..FileBounds::default()
            },
            BTreeMap::new(),
        ))
    }

    fn large() -> Vec<Arc<LiveFile>> {
        let names = [("b", "d"), ("f", "h"), ("k", "m"), ("p", "t")];
        let large = names.map(|(least, most)| file(least, most, SMALL_BYTES * 10));
        large.to_vec()
    }

    fn found(files: &[Arc<LiveFile>], ids: &[&str]) -> Vec<(Range<usize>, Range<usize>)> {
        let ids = StringArray::from(ids.to_vec());
        let all = segments(files, &ids, SMALL_BYTES).into_iter();
        all.map(|one| (one.files, one.rows)).collect()
    }

    #[test]
    fn only_files_whose_ids_are_touched_are_rewritten() {
        let files = large();
        assert_eq!(found(&files, &["l"]), [(2..3, 0..1)]);
        assert_eq!(
            found(&files, &["a", "e", "z"]),
            [(0..1, 0..2), (3..4, 2..3)]
        );
        assert_eq!(
            found(&files, &["c", "g", "q"]),
            [(0..2, 0..2), (3..4, 2..3)]
        );
        assert!(found(&files, &[]).is_empty());
        assert_eq!(found(&[], &["a", "b"]), [(0..0, 0..2)]);
    }

    #[test]
    fn small_neighbours_are_taken_along() {
        let mut files = large();
        files[1] = file("f", "h", 10);
        files[2] = file("k", "m", 10);
        assert_eq!(found(&files, &["g"]), [(1..3, 0..1)]);
        assert_eq!(
            found(&files, &["c"]),
            [(0..1, 0..1)],
            "a large file takes no neighbour along"
        );
    }
}
