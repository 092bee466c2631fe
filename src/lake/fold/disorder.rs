//! Finds the files of `current` that are worth merging: small neighbours, and files whose keys or ids overlap.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::delta::log::LiveFile;
use crate::ids::IntegrationKey;
use crate::lake::fold::sources::{least_key, sort_by_ids};
use crate::lake::layout::key_of_file;

/// A shared file below this size, in stored bytes, is merged with a neighbour.
const SMALL_FILE: u64 = 1 << 20;

/// Overlapping files stay as they are while they have less than one in this many bytes...
const FEW_ONE_IN: u64 = 10;

/// ...and are no more than this. A reader of one integration opens that many files more.
const FEW_FILES: usize = 4;

/// Files to be merged.
pub(super) enum Disorder {
    /// Files of many integrations, in the order of their least keys.
    Keys(Vec<Arc<LiveFile>>),
    /// Files of one integration, in the order of their least ids.
    Ids(IntegrationKey, Vec<Arc<LiveFile>>),
}

impl Disorder {
    /// Returns the files to be merged.
    pub(super) fn files(&self) -> &[Arc<LiveFile>] {
        match self {
            Self::Keys(files) | Self::Ids(_, files) => files,
        }
    }
}

/// Returns the files of a table that are worth merging. A table with more than `large_bytes` stored bytes in files of
/// its own keeps them.
pub(super) fn disorders(live: Vec<Arc<LiveFile>>, large_bytes: u64) -> Vec<Disorder> {
    let mut own: BTreeMap<String, Vec<Arc<LiveFile>>> = BTreeMap::new();
    let mut shared = Vec::new();
    for file in live {
        match key_of_file(&file).map(str::to_owned) {
            Some(key) => own.entry(key).or_default().push(file),
            None => shared.push(file),
        }
    }
    let mut found = Vec::new();
    for (key, mut files) in own {
        let bytes: u64 = files.iter().map(|file| file.size).sum();
        if bytes <= large_bytes {
            shared.append(&mut files);
        } else if !sort_by_ids(&mut files)
            && files.len() > 1
            && let Some(key) = IntegrationKey::from_stored(&key)
        {
            found.push(Disorder::Ids(key, files));
        }
    }
    shared.sort_by(|a, b| least_key(a).cmp(least_key(b)));
    let groups = neighbours(shared).into_iter().filter_map(worth_merging);
    found.extend(groups.map(Disorder::Keys));
    found
}

/// Groups files, in the order of their least keys, with those that they overlap. A small file joins a small group.
fn neighbours(files: Vec<Arc<LiveFile>>) -> Vec<Vec<Arc<LiveFile>>> {
    let mut groups: Vec<(Vec<Arc<LiveFile>>, String, u64)> = Vec::new();
    for file in files {
        let most = most_key(&file);
        match groups.last_mut() {
            Some((group, until, bytes))
                if least_key(&file) <= until.as_str()
                    || (file.size < SMALL_FILE && *bytes < SMALL_FILE) =>
            {
                *bytes += file.size;
                if most > *until {
                    *until = most;
                }
                group.push(file);
            }
            _ => groups.push((vec![Arc::clone(&file)], most, file.size)),
        }
    }
    groups.into_iter().map(|(group, ..)| group).collect()
}

/// Returns the files of a group that are merged. Files that lie over many others, and are small beside them, wait until
/// they are more, because merging them rewrites all of the group.
fn worth_merging(group: Vec<Arc<LiveFile>>) -> Option<Vec<Arc<LiveFile>>> {
    if group.len() < 2 {
        return None;
    }
    let (mut base, mut over): (Vec<&Arc<LiveFile>>, Vec<Arc<LiveFile>>) = (Vec::new(), Vec::new());
    // The chain of the largest files is the base.
    let mut by_size: Vec<&Arc<LiveFile>> = group.iter().collect();
    by_size.sort_by_key(|file| std::cmp::Reverse(file.size));
    for file in by_size {
        let is_free = base.iter().all(|other| {
            most_key(other).as_str() < least_key(file) || most_key(file).as_str() < least_key(other)
        });
        if is_free {
            base.push(file);
        } else {
            over.push(Arc::clone(file));
        }
    }
    let bytes = |files: &mut dyn Iterator<Item = u64>| files.sum::<u64>();
    let of_base = bytes(&mut base.iter().map(|file| file.size));
    let of_over = bytes(&mut over.iter().map(|file| file.size));
    if over.is_empty() || of_over.saturating_mul(FEW_ONE_IN) >= of_base {
        return Some(group);
    }
    over.sort_by(|a, b| least_key(a).cmp(least_key(b)));
    (over.len() > FEW_FILES).then_some(over)
}

/// Returns the greatest key of a file. A file without a known one may reach to the last key.
fn most_key(file: &LiveFile) -> String {
    let keys = file.bounds.keys.as_ref();
    keys.map_or_else(|| char::MAX.to_string(), |(_, most)| most.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::log::FileBounds;
    use crate::ids::IntegrationId;

    const LARGE: u64 = 3 << 20;
    const MB: u64 = 1 << 20;

    fn key(name: &str) -> String {
        let id = IntegrationId::new(name).expect("an id");
        id.key().to_string()
    }

    fn file(keys: (&str, &str), ids: (&str, &str), size: u64) -> Arc<LiveFile> {
        let owned = |(least, most): (&str, &str)| Some((least.to_owned(), most.to_owned()));
        let bounds = FileBounds {
            keys: owned(keys),
            ids: owned(ids),
            ..FileBounds::default()
        };
        Arc::new(LiveFile::with_bounds(size, bounds, BTreeMap::new()))
    }

    fn shared(least: &str, most: &str, size: u64) -> Arc<LiveFile> {
        file((least, most), ("a", "z"), size)
    }

    fn counts(files: Vec<Arc<LiveFile>>) -> Vec<usize> {
        let found = disorders(files, LARGE);
        found.iter().map(|one| one.files().len()).collect()
    }

    #[test]
    fn files_in_order_stay() {
        let files = vec![shared("a", "c", 4 * MB), shared("d", "f", 4 * MB)];
        assert!(counts(files).is_empty());
        assert!(counts(vec![shared("a", "c", 1)]).is_empty());
        assert!(counts(Vec::new()).is_empty());
    }

    #[test]
    fn small_neighbours_are_merged() {
        let files = vec![
            shared("a", "c", MB / 4),
            shared("d", "f", MB / 4),
            shared("g", "h", 4 * MB),
        ];
        assert_eq!(counts(files), [2]);
    }

    #[test]
    fn files_over_others_are_merged_once_they_are_many_or_large() {
        let base = || {
            (0..10_u8).map(|at| {
                let (least, most) = (format!("{at}a"), format!("{at}z"));
                shared(&least, &most, 4 * MB)
            })
        };
        let over = |count: usize, size| {
            let files = (0..count).map(move |_| shared("0b", "9y", size));
            base().chain(files).collect::<Vec<_>>()
        };
        assert!(counts(over(4, MB / 10)).is_empty(), "few and small");
        assert_eq!(counts(over(5, MB / 10)), [5], "merged among themselves");
        assert_eq!(counts(over(1, 4 * MB)), [11], "a tenth of the whole");
    }

    #[test]
    fn overlapping_files_of_a_large_table_are_merged_and_others_stay() {
        let (a, b) = (key("tool:a"), key("tool:b"));
        let own = |key: &str, ids| file((key, key), ids, 2 * MB);
        let files = vec![
            own(&a, ("a", "m")),
            own(&a, ("g", "z")),
            own(&b, ("a", "m")),
            own(&b, ("n", "z")),
        ];
        let found = disorders(files, LARGE);
        assert!(
            matches!(&found[..], [Disorder::Ids(key, files)] if key.as_str() == a && files.len() == 2)
        );
    }
}
