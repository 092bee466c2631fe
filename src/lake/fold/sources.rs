//! The sorted sources of one table: files that are read one after the other, and many sources merged into few.

use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::file::stats::BOUND_CHARS;
use crate::delta::log::LiveFile;
use crate::ids::IntegrationKey;
use crate::lake::fold::merge::Merge;
use crate::lake::fold::output::{Laid, Output, OutputShape};
use crate::lake::fold::pace::Pace;
use crate::lake::fold::porter::Porter;
use crate::lake::fold::sequence::{FileRef, IdRange, Sequence};
use crate::lake::fold::source_cursor::{RowSource, Rows, SourceCursor};
use crate::lake::fold::task::{Shelves, Task};

/// Sources that are merged at once. More sources are first merged into fewer.
const SOURCES_AT_ONCE: usize = 16;

/// Reads and merges the files of one table.
pub(super) struct TableReader<'a> {
    pub(super) porter: &'a Porter,
    pub(super) shelves: &'a Shelves,
    pub(super) key: IntegrationKey,
}

/// A few sorted sources of one table, and where their files are.
pub(super) struct FewSources {
    pub(super) place: Arc<DataFiles>,
    /// The files of each source, which do not overlap and are in the order of their ids.
    pub(super) sources: Vec<Vec<FileRef>>,
    /// Files that exist for this fold only.
    pub(super) temporary: Vec<Written>,
}

impl TableReader<'_> {
    /// Reads files one after the other: their rows in a range of ids.
    pub(super) fn rows(
        &self,
        place: &Arc<DataFiles>,
        files: Vec<FileRef>,
        within: &IdRange,
    ) -> Rows {
        let (schema, key) = (&self.shelves.columns.schema, self.key.as_str());
        let rows = Sequence::new(self.porter, place, files, schema, key);
        Box::new(rows.within(within.clone()))
    }

    /// Creates an output for rows of the table.
    pub(super) fn output(&self, rows: u64, memory_bytes: usize) -> Output {
        let shape = OutputShape {
            rows,
            file_bytes: self.shelves.file_bytes,
            memory_bytes,
        };
        Output::new(self.porter, &self.shelves.current, shape)
    }

    /// Merges sources until they are few, in as many rounds as needed. No two rows may have the same id. Rows outside of
    /// `within` may be left out.
    pub(super) fn few(
        &self,
        pace: &mut Pace,
        task: &Task,
        from: &Arc<DataFiles>,
        sources: Vec<Vec<FileRef>>,
        within: &IdRange,
    ) -> Result<FewSources, DeltaError> {
        let mut few = FewSources {
            place: Arc::clone(from),
            sources,
            temporary: Vec::new(),
        };
        while few.sources.len() > SOURCES_AT_ONCE {
            let used = std::mem::take(&mut few.temporary);
            let mut merged = Vec::new();
            for part in few.sources.chunks(SOURCES_AT_ONCE) {
                let written = self.merged(pace, task, &few.place, part, within)?;
                merged.push(written.iter().map(FileRef::from).collect());
                few.temporary.extend(written);
            }
            for written in &used {
                self.porter.discard(&self.shelves.current, written);
            }
            few.sources = merged;
            few.place = Arc::clone(&self.shelves.current);
        }
        Ok(few)
    }

    /// Writes the rows of a few sources, in a range of ids, in the order of their ids.
    pub(super) fn merged(
        &self,
        pace: &mut Pace,
        task: &Task,
        from: &Arc<DataFiles>,
        sources: &[Vec<FileRef>],
        within: &IdRange,
    ) -> Result<Vec<Written>, DeltaError> {
        let mut cursors = Vec::new();
        for files in sources {
            let rows = self.rows(from, files.clone(), within);
            cursors.extend(SourceCursor::new(RowSource::Snapshot, rows)?);
        }
        let rows = sources.iter().flatten().map(|file| file.rows).sum();
        let output = self.output(rows, 0);
        let Laid { written, .. } = Merge::new(task, None, cursors, output, pace)
            .copy()?
            .finish()?;
        Ok(written)
    }
}

/// Sorts an integration's files by their ids. Returns false when the first id of some file is unknown or files overlap.
/// A bound of [`BOUND_CHARS`] characters may be shortened, and then does not say where the ids of a file begin.
pub(super) fn sort_by_ids(files: &mut [Arc<LiveFile>]) -> bool {
    files.sort_by(|a, b| least(a).cmp(least(b)));
    let apart = files.windows(2).all(|pair| is_before(&pair[0], &pair[1]));
    files.iter().all(|file| is_known(file)) && apart
}

/// Divides files, sorted by their least id, into sources: the files of a source do not overlap.
pub(super) fn chains(files: &[Arc<LiveFile>]) -> Vec<Vec<FileRef>> {
    let mut chains: Vec<Vec<&Arc<LiveFile>>> = Vec::new();
    for file in files {
        let follows = |chain: &&mut Vec<&Arc<LiveFile>>| {
            let last = chain.last();
            last.is_some_and(|last| is_known(last) && is_known(file) && is_before(last, file))
        };
        match chains.iter_mut().find(follows) {
            Some(chain) => chain.push(file),
            None => chains.push(vec![file]),
        }
    }
    let refs = |chain: Vec<&Arc<LiveFile>>| {
        let files = chain.into_iter();
        files.map(|file| FileRef::from(&**file)).collect()
    };
    chains.into_iter().map(refs).collect()
}

/// Returns the least integration key of a file.
pub(super) fn least_key(file: &LiveFile) -> &str {
    let keys = file.bounds.keys.as_ref();
    keys.map_or("", |(least, _)| least)
}

/// Returns the least id of a file.
pub(super) fn least(file: &LiveFile) -> &str {
    file.bounds.ids.as_ref().map_or("", |(least, _)| least)
}

fn is_before(file: &LiveFile, next: &LiveFile) -> bool {
    let most = file.bounds.ids.as_ref().map_or("", |(_, most)| most);
    most < least(next)
}

fn is_known(file: &LiveFile) -> bool {
    let ids = file.bounds.ids.as_ref();
    ids.is_some_and(|(least, most)| {
        least.chars().count() < BOUND_CHARS && most.chars().count() < BOUND_CHARS
    })
}

impl From<&Written> for FileRef {
    fn from(written: &Written) -> Self {
        Self {
            path: written.add.path.clone(),
            size: written.add.size,
            rows: written.rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::delta::log::FileBounds;

    fn file(least: &str, most: &str) -> Arc<LiveFile> {
        let bounds = FileBounds {
            ids: Some((least.to_owned(), most.to_owned())),
            ..FileBounds::default()
        };
        Arc::new(LiveFile::with_bounds(1, bounds, BTreeMap::new()))
    }

    #[test]
    fn files_that_overlap_or_do_not_say_where_they_begin_are_not_sorted() {
        assert!(sort_by_ids(&mut [file("f", "h"), file("b", "d")]));
        assert!(!sort_by_ids(&mut [file("b", "g"), file("f", "h")]));
        let long = "x".repeat(BOUND_CHARS);
        assert!(!sort_by_ids(&mut [file("b", &long)]));
    }

    #[test]
    fn files_that_overlap_are_sources_of_their_own() {
        let lengths = |files: &[Arc<LiveFile>]| -> Vec<usize> {
            chains(files).iter().map(Vec::len).collect()
        };
        assert_eq!(lengths(&[file("b", "d"), file("f", "h")]), [2]);
        assert_eq!(
            lengths(&[
                file("b", "g"),
                file("c", "d"),
                file("f", "h"),
                file("i", "k")
            ]),
            [2, 2]
        );
        let long = "x".repeat(BOUND_CHARS);
        assert_eq!(lengths(&[file("b", &long), file("y", "z")]), [1, 1]);
    }
}
