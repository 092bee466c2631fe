//! The data files of a table, as of one version.
//!
//! A state with one more entry shares nearly all files with the state before. So the list is divided into blocks, and
//! a change copies one block. The files of a partition lie next to each other.

use std::fmt;
use std::sync::Arc;

use crate::delta::log::action::{Add, Remove};
use crate::delta::log::live_file::{BoundedColumns, LiveFile};

/// Files in one block, at most.
const FILES: usize = 128;

/// Live files, sorted by the value of the partition column, and then by their path in the log. A clone is cheap, and
/// shares each block until it changes.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct LiveFiles {
    /// The blocks, in order. No block is empty.
    blocks: Arc<Vec<Arc<Vec<Arc<LiveFile>>>>>,
}

/// The place of a file in the order: the value of its partition column, and its path in the log.
type FileOrder<'a> = (Option<&'a str>, &'a str);

impl LiveFiles {
    /// Follows the files that an action removes and adds.
    pub(super) fn follow(
        &mut self,
        remove: Option<Box<Remove>>,
        add: Option<Box<Add>>,
        bounded: BoundedColumns,
    ) {
        if let Some(remove) = remove {
            self.remove(&remove);
        }
        if let Some(add) = add {
            self.insert(Arc::new(LiveFile::of(*add, bounded)));
        }
    }

    /// Returns each file.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<LiveFile>> {
        self.blocks.iter().flat_map(|block| block.iter())
    }

    /// Returns the files in which the partition column has a value.
    pub(super) fn in_partition<'a>(
        &'a self,
        value: &'a str,
    ) -> impl Iterator<Item = &'a Arc<LiveFile>> {
        let value = Some(value);
        let first = self.block_of((value, ""));
        let blocks = self.blocks.get(first..).unwrap_or_default();
        let files = blocks.iter().flat_map(move |block| {
            let start = block.partition_point(|file| place(file).0 < value);
            &block[start..]
        });
        files.take_while(move |file| place(file).0 == value)
    }

    /// Returns the number of the block in which a place is, or would be.
    fn block_of(&self, at: FileOrder<'_>) -> usize {
        let after = self.blocks.partition_point(|block| place(&block[0]) <= at);
        after.saturating_sub(1)
    }

    fn insert(&mut self, file: Arc<LiveFile>) {
        let index = self.block_of(place(&file));
        let blocks = Arc::make_mut(&mut self.blocks);
        if blocks.is_empty() {
            blocks.push(Arc::default());
        }
        let block = Arc::make_mut(&mut blocks[index]);
        match block.binary_search_by(|other| place(other).cmp(&place(&file))) {
            Ok(found) => block[found] = file,
            Err(at) => block.insert(at, file),
        }
        if block.len() > FILES {
            let second = block.split_off(FILES / 2);
            blocks.insert(index + 1, Arc::new(second));
        }
    }

    /// Removes a file. Another program may leave out the partition; then all files are looked through.
    fn remove(&mut self, remove: &Remove) {
        let partition = remove.partition_values.as_ref();
        let value = partition.and_then(|values| values.values().next()?.as_deref());
        let named = (value, remove.path.as_str());
        let index = self.block_of(named);
        let in_block = |block: &Arc<Vec<Arc<LiveFile>>>| {
            let found = block.binary_search_by(|file| place(file).cmp(&named));
            found.ok()
        };
        let at = self.blocks.get(index).and_then(in_block);
        let found = at.map(|at| (index, at)).or_else(|| {
            let mut blocks = self.blocks.iter().enumerate();
            blocks.find_map(|(index, block)| {
                let mut files = block.iter();
                let at = files.position(|file| file.logged_path() == remove.path)?;
                Some((index, at))
            })
        });
        if let Some((index, at)) = found {
            self.remove_at(index, at);
        }
    }

    fn remove_at(&mut self, index: usize, at: usize) {
        let blocks = Arc::make_mut(&mut self.blocks);
        Arc::make_mut(&mut blocks[index]).remove(at);
        let next = blocks.get(index + 1).map_or(FILES, |next| next.len());
        if blocks[index].is_empty() {
            blocks.remove(index);
        } else if blocks[index].len() + next <= FILES / 2 {
            let next = blocks.remove(index + 1);
            Arc::make_mut(&mut blocks[index]).extend(next.iter().cloned());
        }
    }
}

fn place(file: &LiveFile) -> FileOrder<'_> {
    let value = file.partition_values.values().next();
    (value.and_then(Option::as_deref), file.logged_path())
}

impl fmt::Debug for LiveFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveFiles({})", self.iter().count())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const BOUNDED: BoundedColumns = BoundedColumns {
        key: "key",
        id: "id",
        observed: "at",
    };

    fn values(of: Option<u8>) -> BTreeMap<String, Option<String>> {
        BTreeMap::from([("key".to_owned(), of.map(|of| format!("k{of}")))])
    }

    fn add(of: Option<u8>, path: String, size: u64) -> Add {
        Add {
            path,
            partition_values: values(of),
            size,
            modification_time: 0,
            data_change: true,
            stats: None,
            tags: None,
        }
    }

    fn remove(of: Option<BTreeMap<String, Option<String>>>, path: &str) -> Remove {
        Remove {
            path: path.to_owned(),
            deletion_timestamp: None,
            data_change: true,
            extended_file_metadata: None,
            partition_values: of,
            size: None,
        }
    }

    /// A file's partition, its number, and what happens to it: nothing removes it, a named or an unnamed removal.
    fn step() -> impl Strategy<Value = (Option<u8>, u16, u8)> {
        (prop::option::of(0..5_u8), 0..300_u16, 0..4_u8)
    }

    proptest! {
        #[test]
        fn a_list_holds_what_a_map_holds_and_earlier_copies_stay(
            steps in prop::collection::vec(step(), 0..900),
            copied in 0..900_usize,
        ) {
            let (mut live, mut model) = (LiveFiles::default(), BTreeMap::new());
            let mut copy = (live.clone(), model.clone());
            for (at, (of, number, what)) in steps.into_iter().enumerate() {
                if at == copied {
                    copy = (live.clone(), model.clone());
                }
                let path = format!("part-{}-{number}", of.unwrap_or(9));
                if what == 0 {
                    let named = (number % 2 == 0).then(|| values(of));
                    live.follow(Some(Box::new(remove(named, &path))), None, BOUNDED);
                    model.remove(&(of, path));
                } else {
                    live.follow(None, Some(Box::new(add(of, path.clone(), at as u64))), BOUNDED);
                    model.insert((of, path), at as u64);
                }
            }
            for (live, model) in [(&live, &model), (&copy.0, &copy.1)] {
                prop_assert!(live.blocks.iter().all(|block| (1..=FILES).contains(&block.len())));
                let files: Vec<_> = live.iter().map(|file| (file.path.clone(), file.size)).collect();
                let mut expected: Vec<_> =
                    model.iter().map(|((of, path), size)| (of, path.clone(), *size)).collect();
                expected.sort();
                let expected: Vec<_> = expected.into_iter().map(|(_, path, size)| (path, size)).collect();
                prop_assert_eq!(files, expected);
                for of in 0..6 {
                    let value = format!("k{of}");
                    let found = live.in_partition(&value).map(|file| file.path.clone());
                    let own = model.keys().filter(|(key, _)| *key == Some(of));
                    let mut own: Vec<_> = own.map(|(_, path)| path.clone()).collect();
                    own.sort();
                    prop_assert_eq!(found.collect::<Vec<_>>(), own);
                }
            }
        }
    }

    #[test]
    fn a_change_copies_one_block() {
        let mut before = LiveFiles::default();
        for number in 0..1_000 {
            let add = add(Some(1), format!("part-{number:04}"), 1);
            before.follow(None, Some(Box::new(add)), BOUNDED);
        }
        let mut after = before.clone();
        let removed = remove(Some(values(Some(1))), "part-0500");
        after.follow(Some(Box::new(removed)), None, BOUNDED);
        let kept = after.blocks.iter();
        let kept = kept.filter(|block| before.blocks.iter().any(|other| Arc::ptr_eq(block, other)));
        assert_eq!(kept.count() + 1, after.blocks.len());
        assert_eq!((before.iter().count(), after.iter().count()), (1_000, 999));
    }
}
