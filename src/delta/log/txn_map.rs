//! The version that each application transaction has reached, in one table.
//!
//! A state with one more entry shares nearly everything with the state before. So the map is divided into blocks of
//! neighbouring applications, and a change copies one block. A transaction takes ten bytes.

use std::fmt;
use std::sync::Arc;

use crate::delta::log::app_id::{AppId, MOST_NAMES};

/// Applications in one block.
const APPS: u32 = 32;

/// Versions by `appId`. A clone is cheap, and shares each block until it changes.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct TxnMap {
    /// The blocks, by the number of the application. `None` stands for a block without transactions.
    blocks: Arc<Vec<Option<Arc<Block>>>>,
}

/// The transactions of neighbouring applications, sorted by key.
#[derive(Clone, Default, PartialEq, Eq)]
struct Block {
    keys: Vec<u16>,
    versions: Vec<i64>,
}

impl TxnMap {
    /// Returns the version of a transaction.
    pub(super) fn get(&self, app_id: &str) -> Option<i64> {
        let id = AppId::known(app_id)?;
        let block = self.blocks.get(index(id.app))?.as_deref()?;
        let found = block.keys.binary_search(&key(id)).ok()?;
        Some(block.versions[found])
    }

    /// Sets the version of a transaction.
    pub(super) fn set(&mut self, app_id: &str, version: i64) {
        let id = AppId::keep(app_id);
        let index = index(id.app);
        let blocks = Arc::make_mut(&mut self.blocks);
        if blocks.len() <= index {
            blocks.resize_with(index + 1, || None);
        }
        let block = blocks[index].get_or_insert_default();
        Arc::make_mut(block).set(key(id), version);
    }

    /// Gives back memory that the blocks do not use.
    pub(super) fn shrink(&mut self) {
        let blocks = Arc::make_mut(&mut self.blocks);
        for block in blocks.iter_mut().flatten() {
            // A shared block was shrunk before.
            if let Some(block) = Arc::get_mut(block) {
                block.keys.shrink_to_fit();
                block.versions.shrink_to_fit();
            }
        }
        blocks.shrink_to_fit();
    }

    /// Returns each transaction.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AppId, i64)> {
        self.numbered_blocks().flat_map(|(first, block)| {
            let keys = block.keys.iter().map(move |key| of_key(first, *key));
            keys.zip(block.versions.iter().copied())
        })
    }

    /// Returns the number of each application that has a transaction.
    pub(super) fn apps(&self) -> impl Iterator<Item = u32> {
        self.numbered_blocks().flat_map(|(first, block)| {
            let apps = block.keys.chunk_by(|a, b| a / MOST_NAMES == b / MOST_NAMES);
            apps.map(move |keys| of_key(first, keys[0]).app)
        })
    }

    /// Returns each block with the number of its first application.
    fn numbered_blocks(&self) -> impl Iterator<Item = (u32, &Block)> {
        let firsts = (0..).step_by(APPS as usize);
        let numbered = firsts.zip(self.blocks.iter());
        numbered.filter_map(|(first, block)| Some((first, block.as_deref()?)))
    }
}

impl Block {
    fn set(&mut self, key: u16, version: i64) {
        match self.keys.binary_search(&key) {
            Ok(found) => self.versions[found] = version,
            Err(at) => {
                self.keys.insert(at, key);
                self.versions.insert(at, version);
            }
        }
    }
}

impl fmt::Debug for TxnMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let txns = self.iter().map(|(id, version)| (id.text(), version));
        f.debug_map().entries(txns).finish()
    }
}

fn index(app: u32) -> usize {
    (app / APPS) as usize
}

/// Returns the key of a transaction within its block: the application first, then the name.
fn key(id: AppId) -> u16 {
    let within = u16::try_from(id.app % APPS).expect("a block is small");
    within * MOST_NAMES + id.name
}

fn of_key(first: u32, key: u16) -> AppId {
    AppId {
        app: first + u32::from(key / MOST_NAMES),
        name: key % MOST_NAMES,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn app_id() -> impl Strategy<Value = String> {
        let parts = ("kombo|spark", 0..90_u32, "seen|delta|lost/[0-2]");
        prop_oneof![
            6 => parts.prop_map(|(program, app, name)| format!("{program}/map-{app}/{name}")),
            1 => (0..9_u32).prop_map(|stream| format!("map-stream-{stream}")),
            1 => Just(String::new()),
        ]
    }

    proptest! {
        #[test]
        fn a_map_holds_what_a_hash_map_holds_and_earlier_copies_stay(
            sets in prop::collection::vec((app_id(), any::<i64>()), 0..200),
            copied in 0..200_usize,
        ) {
            let (mut map, mut model) = (TxnMap::default(), HashMap::new());
            let mut copy = (map.clone(), model.clone());
            for (at, (app_id, version)) in sets.iter().enumerate() {
                if at == copied {
                    map.shrink();
                    copy = (map.clone(), model.clone());
                }
                map.set(app_id, *version);
                model.insert(app_id.clone(), *version);
            }
            for (map, model) in [(&map, &model), (&copy.0, &copy.1)] {
                let all: HashMap<String, i64> =
                    map.iter().map(|(id, version)| (id.text(), version)).collect();
                prop_assert_eq!(&all, model);
                for (app_id, _) in &sets {
                    prop_assert_eq!(map.get(app_id), model.get(app_id).copied());
                }
                let apps: Vec<u32> = map.apps().collect();
                let mut expected: Vec<u32> = all.keys().map(|app_id| AppId::keep(app_id).app).collect();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(apps, expected);
            }
        }
    }

    #[test]
    fn a_change_copies_one_block() {
        let named = |app: u32| format!("kombo/block-{app}/seen");
        let mut before = TxnMap::default();
        for app in 0..1_000 {
            before.set(&named(app), 1);
        }
        let mut after = before.clone();
        after.set(&named(500), 2);
        let pairs = before.blocks.iter().zip(after.blocks.iter());
        let pairs = pairs.filter_map(|(before, after)| before.as_ref().zip(after.as_ref()));
        let copied = pairs.filter(|(before, after)| !Arc::ptr_eq(before, after));
        assert_eq!(copied.count(), 1);
        assert_eq!(
            (before.get(&named(500)), after.get(&named(500))),
            (Some(1), Some(2))
        );
    }
}
