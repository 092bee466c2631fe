//! Random orders of deltas, full fetches, folds and merges, compared with the plain rule: the newest observation
//! wins.

use std::collections::BTreeMap;

use crate::lake::UpkeepSettings;
use crate::lake::tests::fold::*;

/// The expected rows of one integration, kept in the simplest way.
#[derive(Default)]
struct Model {
    kombo: BTreeMap<String, String>,
    newest: BTreeMap<String, Seen>,
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

impl Model {
    /// Changes a few rows. Returns the rows of the delta.
    fn change(&mut self, chance: &mut Chance, now: &mut i64) -> Vec<Seen> {
        let mut rows = BTreeMap::new();
        for _ in 0..=chance.below(5) {
            let id = format!("{:03}", chance.below(120));
            *now += 1;
            let row = if self.kombo.contains_key(&id) && chance.below(3) == 0 {
                self.kombo.remove(&id);
                gone(
                    &id,
                    *now,
                    if chance.below(2) == 0 {
                        "delete"
                    } else {
                        "absent"
                    },
                )
            } else {
                let name = format!("{:08} of {id}", *now);
                self.kombo.insert(id.clone(), name.clone());
                seen(&id, *now, &name)
            };
            rows.insert(id, row);
        }
        let rows: Vec<Seen> = rows.into_values().collect();
        self.take_in(&rows);
        rows
    }

    /// Returns the rows of a full fetch, sometimes with deleted rows.
    fn everything(&mut self, now: &mut i64) -> Vec<Seen> {
        let mut rows = Vec::new();
        for (id, name) in &self.kombo {
            *now += 1;
            rows.push(seen(id, *now, name));
        }
        self.take_in(&rows);
        rows
    }

    fn take_in(&mut self, rows: &[Seen]) {
        for row in rows {
            self.newest.insert(row.id.clone(), row.clone());
        }
    }

    fn expected(&self) -> Vec<(String, i64, Option<String>)> {
        let there = self.newest.values().filter(|row| row.op == "upsert");
        there
            .map(|row| (row.id.clone(), row.at, row.name.clone()))
            .collect()
    }
}

async fn live(seed: u64) {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut now = 1_000;
    let mut models = [("a", Model::default()), ("b", Model::default())];
    for (name, model) in &mut models {
        let rows = model.everything(&mut now);
        bring(&lake, &snapshot(name), &rows, now).await;
    }
    for step in 0..60 {
        let (name, model) = &mut models[usize::from(chance.below(2) == 0)];
        now += 10;
        match chance.below(10) {
            0 => {
                let rows = model.everything(&mut now);
                bring(&lake, &snapshot(name), &rows, now).await;
            }
            1 | 2 => drop(fold(&lake).await),
            3 => {
                let settings = UpkeepSettings {
                    compact_files: 2,
                    ..UpkeepSettings::default()
                };
                lake.upkeep(&[tags()], &settings).await.expect("kept up");
            }
            _ => {
                let rows = model.change(&mut chance, &mut now);
                bring(&lake, &delta(name), &rows, now).await;
            }
        }
        if step % 20 == 19 {
            fold(&lake).await;
            for (name, model) in &models {
                let found = current(&store, name).await;
                assert_eq!(found, model.expected(), "seed {seed}, step {step}, {name}");
            }
        }
    }
    // A `current` that is rebuilt from the two other tables is equal.
    let before = [current(&store, "a").await, current(&store, "b").await];
    let rebuild = FoldSettings {
        rebuild: true,
        ..small_files()
    };
    let report = lake.fold(&tags(), None, &rebuild).await.expect("rebuilt");
    assert_eq!((report.tables.len(), report.left_held.len()), (2, 0));
    assert_eq!(
        [current(&store, "a").await, current(&store, "b").await],
        before,
        "seed {seed}"
    );
}

#[tokio::test]
async fn any_order_of_deltas_full_fetches_folds_and_merges_gives_the_newest_rows() {
    for seed in 1..=12 {
        live(seed).await;
    }
}
