//! Tables that are folded together, because they share files of `current`.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::delta::log::LiveFile;
use crate::lake::fold::planned::Planned;
use crate::lake::fold::report::SharedFile;
use crate::lake::fold::sources::least_key;
use crate::lake::layout::{key_of_file, may_hold};

/// A file of `current` below this size, in stored bytes, is written along with new tables when there are many.
const SMALL_FILE: u64 = 1 << 20;

/// Number of small files that are many.
const MANY_FILES: usize = 8;

/// Most small files that are written along with new tables, and their stored bytes: their rows are in memory together.
const FILES_ALONG: usize = 32;
const BYTES_ALONG: u64 = 8 << 20;

/// Tables that become visible together. A small table shares a file with its neighbours. The file is written once for
/// all of them.
#[derive(Debug, Default)]
pub(super) struct Unit {
    /// The tables, in the order of their keys.
    pub(super) tables: Vec<Planned>,
    /// Files of `current` with rows of these tables and of others. Rows of other tables are copied.
    pub(super) shared: Vec<Arc<LiveFile>>,
    /// Small files of other tables that are written along. One that cannot be read stays as it is.
    pub(super) along: Vec<Arc<LiveFile>>,
}

/// The files of `current`, to be found by integration.
pub(super) struct CurrentFiles {
    live: Vec<Arc<LiveFile>>,
}

impl CurrentFiles {
    pub(super) fn new(mut live: Vec<Arc<LiveFile>>) -> Self {
        // A search ends at the first file whose keys begin behind the wanted one.
        live.sort_by(|a, b| least_key(a).cmp(least_key(b)));
        Self { live }
    }

    /// Returns the files with rows of one integration alone, and the files that it shares with others.
    pub(super) fn of(&self, key: &str) -> (Vec<Arc<LiveFile>>, Vec<Arc<LiveFile>>) {
        let behind = self.live.partition_point(|file| least_key(file) <= key);
        let found = self.live[..behind].iter();
        let found = found.filter(|file| may_hold(file, key)).cloned();
        found.partition(|file| key_of_file(file).is_some())
    }

    /// Returns the file that a table shares with others; `None` for a table without one.
    pub(super) fn shared(&self, key: &str) -> Option<SharedFile> {
        let (_, shared) = self.of(key);
        let file = shared.first()?;
        Some(SharedFile {
            path: file.path.clone(),
            bytes: file.size,
            written_at: file.modified_at,
        })
    }

    /// Returns small files that are not in `used`, when they are many: their rows can be written along with others. A
    /// file of a large table is none of them.
    pub(super) fn many_small(
        &self,
        used: &HashSet<String>,
        large_bytes: u64,
    ) -> Vec<Arc<LiveFile>> {
        let is_small = |file: &&Arc<LiveFile>| {
            let of_small_table = key_of_file(file).is_none_or(|key| {
                let (own, _) = self.of(key);
                own.iter().map(|file| file.size).sum::<u64>() <= large_bytes
            });
            file.size < SMALL_FILE && !used.contains(&file.path) && of_small_table
        };
        let small: Vec<_> = self.live.iter().filter(is_small).cloned().collect();
        if small.len() < MANY_FILES {
            return Vec::new();
        }
        let mut bytes = 0;
        let fits = |file: &Arc<LiveFile>| {
            bytes += file.size;
            bytes <= BYTES_ALONG
        };
        small
            .into_iter()
            .take(FILES_ALONG)
            .take_while(fits)
            .collect()
    }
}

impl Unit {
    /// Splits a unit that needs too much memory. Returns the second half, if it can be folded at the same time: tables
    /// that share a file cannot. Otherwise the tables of the second half are returned: they wait for the next group.
    pub(super) fn split(&mut self) -> (Option<Self>, Vec<Planned>) {
        let second = self.tables.split_off(self.tables.len() / 2);
        if self.shared.is_empty() {
            let second = Self {
                tables: second,
                ..Self::default()
            };
            return (Some(second), Vec::new());
        }
        (None, second)
    }
}

/// Joins planned tables that share files to units. A large table with files of its own is a unit; all tables that may
/// share new files are one. `along` are small files that are written along with new tables.
pub(super) fn units(
    planned: Vec<(Planned, Vec<Arc<LiveFile>>)>,
    along: Vec<Arc<LiveFile>>,
) -> Vec<Unit> {
    let (mut units, mut loose) = (Vec::<Unit>::new(), Unit::default());
    for (table, shared) in planned {
        if !shared.is_empty() {
            join(&mut units, table, shared);
        } else if table.is_large {
            units.push(Unit {
                tables: vec![table],
                ..Unit::default()
            });
        } else {
            loose.tables.push(table);
        }
    }
    if !loose.tables.is_empty() {
        loose.along = along;
        units.push(loose);
    }
    for unit in &mut units {
        unit.tables.sort_by(|a, b| a.plan.key.cmp(&b.plan.key));
    }
    units
}

fn join(units: &mut Vec<Unit>, table: Planned, shared: Vec<Arc<LiveFile>>) {
    let paths: BTreeSet<&str> = shared.iter().map(|file| file.path.as_str()).collect();
    let meets = |unit: &Unit| {
        let mut files = unit.shared.iter();
        files.any(|file| paths.contains(file.path.as_str()))
    };
    let (joined, others) = std::mem::take(units).into_iter().partition(meets);
    *units = others;
    let mut unit = Unit {
        tables: vec![table],
        ..Unit::default()
    };
    let mut files = shared;
    for mut one in joined {
        unit.tables.append(&mut one.tables);
        files.append(&mut one.shared);
    }
    let mut known = BTreeSet::new();
    files.retain(|file| known.insert(file.path.clone()));
    unit.shared = files;
    units.push(unit);
}
