//! All observations that were ever visible, and what `current` must hold because of them.

use std::collections::{BTreeMap, HashMap};

use object_store::memory::InMemory;
use serde_json::Value;

use crate::faults::Fault;
use crate::observer::Watched;
use crate::reading::Found;

/// One observation of a record.
#[derive(Clone, Debug)]
struct Observation {
    fetched_us: i64,
    is_upsert: bool,
    version: u32,
    /// Whether a full fetch made it.
    is_of_snapshot: bool,
}

/// The observations of all records, by folder of the endpoint and key of the integration.
#[derive(Debug, Default)]
pub(crate) struct Observations(HashMap<(String, String), BTreeMap<String, Vec<Observation>>>);

impl Observations {
    /// Adds an observation of a file of `snapshots` or `deltas`.
    pub(crate) fn add(&mut self, table: &str, row: &Found) {
        let Some((folder, part)) = table.split_once('/').filter(|(_, part)| *part != "current")
        else {
            return;
        };
        let records = self.0.entry((folder.to_owned(), row.key.clone()));
        let seen = records.or_default().entry(row.id.clone()).or_default();
        seen.push(Observation {
            fetched_us: row.fetched_us,
            is_upsert: row.op == "upsert",
            version: row.version.unwrap_or(0),
            is_of_snapshot: part == "snapshots",
        });
    }

    /// Returns what `current` holds of an integration once it is folded up to these instants: the version of each record
    /// whose newest observation is an upsert.
    fn current(&self, endpoint: &str, key: &str, upto: Folded) -> BTreeMap<String, u32> {
        let records = self.0.get(&(endpoint.to_owned(), key.to_owned()));
        let newest = |seen: &Vec<Observation>| {
            let seen = seen.iter().filter(|one| {
                let limit = if one.is_of_snapshot {
                    upto.snapshot_us
                } else {
                    upto.deltas_us
                };
                one.fetched_us <= limit
            });
            seen.max_by_key(|one| one.fetched_us).cloned()
        };
        let records = records.into_iter().flatten();
        let newest = records.filter_map(|(id, seen)| Some((id.clone(), newest(seen)?)));
        let live = newest.filter(|(_, one)| one.is_upsert);
        live.map(|(id, one)| (id, one.version)).collect()
    }
}

/// How far a table is folded.
#[derive(Clone, Copy, Debug)]
struct Folded {
    snapshot_us: i64,
    deltas_us: i64,
}

/// With these faults the positions alone do not say what was folded.
const DOUBTS: [Fault; 4] = [
    Fault::TwoProcesses,
    Fault::WithoutLease,
    Fault::Operator,
    Fault::MassDeletion,
];

impl Watched {
    /// Checks after a fold that `current` holds the newest observations, and no row twice.
    pub(crate) fn folded(&self, table: &str, actions: &[Value], objects: &InMemory) {
        let app = |action: &Value| Some(action.get("txn")?["appId"].as_str()?.to_owned());
        let mut keys: Vec<String> = actions.iter().filter_map(app).collect();
        keys.retain(|app| app.ends_with("/folded") || app.ends_with("/snapshot"));
        let keys = keys
            .iter()
            .filter_map(|app| Some(app.strip_prefix("kombo/")?.split_once('/')?.0));
        let keys: std::collections::BTreeSet<&str> = keys.collect();
        if keys.is_empty() || DOUBTS.iter().any(|fault| self.faults.has(*fault)) {
            return;
        }
        let folder = table.split('/').next().unwrap_or_default();
        let rows = self.live_rows(table, objects);
        for key in keys {
            let number = |name: &str| {
                let app = format!("kombo/{key}/{name}");
                self.txns.get(&(table.to_owned(), app)).copied()
            };
            if number("held").is_some_and(|held| held > 0) {
                continue;
            }
            let upto = Folded {
                snapshot_us: number("snapshot").unwrap_or(-1),
                deltas_us: number("folded").unwrap_or(-1),
            };
            let wanted = self.observed.current(folder, key, upto);
            let own = rows.iter().filter(|row| row.key == key);
            let found: BTreeMap<_, _> = own
                .clone()
                .map(|row| (row.id.clone(), row.version.unwrap_or(0)))
                .collect();
            self.story.count("folds-judged");
            if found.len() < own.count() {
                self.story
                    .violated("fold", format_args!("{table} has a row of {key} twice"));
            }
            self.differs(table, &wanted, &found);
        }
    }

    fn differs(&self, table: &str, wanted: &BTreeMap<String, u32>, found: &BTreeMap<String, u32>) {
        let lacking = wanted
            .iter()
            .find(|(id, version)| found.get(*id) != Some(version));
        if let Some((id, version)) = lacking {
            let has = found.get(id);
            (self.story).violated(
                "fold",
                format_args!("{table} has {has:?} of {id} in place of v{version}"),
            );
        }
        if let Some((id, version)) = found.iter().find(|(id, _)| !wanted.contains_key(*id)) {
            let text =
                format_args!("{table} has {id} v{version}, whose newest observation is no upsert");
            self.story.violated("fold", text);
        }
    }
}
