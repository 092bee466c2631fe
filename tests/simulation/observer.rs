//! Reads along: every entry of every Delta log, and the rows of every data file that becomes visible. Judges each step.
//!
//! It shares no code with the program: it reads JSON and Parquet by itself, from the objects and not by way of the
//! faulty store. What it knows of the live files comes from the entries alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::Value;

use crate::clocks::Clocks;
use crate::faults::Enabled;
use crate::observations::Observations;
use crate::reading::{Found, column_of, decoded, read, rows_of};
use crate::store::is_log_entry;
use crate::story::Story;
use crate::truth::Truth;

/// Reads along. Clones share what was read.
#[derive(Clone)]
pub(crate) struct Observer(Arc<Mutex<Watched>>);

/// What was read so far.
pub(crate) struct Watched {
    pub(crate) truth: Truth,
    pub(crate) clocks: Clocks,
    pub(crate) story: Story,
    pub(crate) faults: Enabled,
    /// The live files of each Delta table, by path: the partition's integration key.
    live: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// When each file was removed from its table, by its path in the lake.
    pub(crate) removed_ms: HashMap<String, i64>,
    /// All observations that were ever visible.
    pub(crate) observed: Observations,
    /// How many rows each table has lost lately, and when.
    pub(crate) losses: HashMap<(String, String), Vec<(i64, i64)>>,
    /// The next version of each Delta table.
    next: BTreeMap<String, u64>,
    /// The transactions of each Delta table, by table and identifier.
    pub(crate) txns: HashMap<(String, String), i64>,
    /// The newest version of a record that the lake has got, by integration key and id.
    pub(crate) got: HashMap<(String, String), u32>,
}

impl Observer {
    /// Begins with an empty lake.
    pub(crate) fn new(truth: Truth, clocks: Clocks, story: Story, faults: &Enabled) -> Self {
        Self(Arc::new(Mutex::new(Watched {
            truth,
            clocks,
            story,
            faults: faults.clone(),
            live: BTreeMap::new(),
            removed_ms: HashMap::new(),
            observed: Observations::default(),
            losses: HashMap::new(),
            next: BTreeMap::new(),
            txns: HashMap::new(),
            got: HashMap::new(),
        })))
    }

    /// Is told that an object was written.
    pub(crate) fn written(&self, path: &Path, objects: &InMemory) {
        if is_log_entry(path) {
            self.with(|watched| watched.entry(path.as_ref(), objects));
        }
    }

    /// Is told that an object is deleted.
    pub(crate) fn deleted(&self, path: &Path) {
        self.with(|watched| watched.deleted(path.as_ref()));
    }

    /// Returns all rows of a Delta table that readers see.
    pub(crate) fn rows(&self, table: &str, objects: &InMemory) -> Vec<Found> {
        self.with(|watched| watched.live_rows(table, objects))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Watched) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watched {
    fn entry(&mut self, path: &str, objects: &InMemory) {
        let (table, name) = path.split_once("/_delta_log/").expect("a log entry");
        let version: u64 = name.trim_end_matches(".json").parse().unwrap_or(u64::MAX);
        let next = self.next.entry(table.to_owned()).or_default();
        if version != *next {
            let next = *next;
            self.story.violated(
                "log",
                format_args!("{table} got version {version} in place of {next}"),
            );
        }
        self.next.insert(table.to_owned(), version + 1);
        let bytes = read(objects, path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let actions: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        if actions
            .iter()
            .all(|action| action.get("commitInfo").is_none())
        {
            self.story
                .violated("log", format_args!("{path} has no commitInfo"));
        }
        let operation = actions
            .iter()
            .find_map(|action| action["commitInfo"]["operation"].as_str());
        let operation = operation.unwrap_or_default().to_owned();
        let (mut added, mut removed) = (0, 0);
        for action in &actions {
            if let Some(add) = action.get("add") {
                added += 1;
                self.add(table, add, objects);
            }
            if let Some(remove) = action.get("remove") {
                removed += 1;
                let file = decoded(remove["path"].as_str().unwrap_or_default());
                self.removed_ms
                    .insert(format!("{table}/{file}"), self.clocks.true_now());
                self.live.entry(table.to_owned()).or_default().remove(&file);
            }
        }
        self.story.tell(
            "commit",
            format_args!(
                "{table} version {version}: {operation}, {added} added, {removed} removed"
            ),
        );
        for action in &actions {
            if let Some(txn) = action.get("txn") {
                let app = txn["appId"].as_str().unwrap_or_default();
                self.txn(table, app, txn["version"].as_i64().unwrap_or_default());
            }
        }
        if table.ends_with("/current") {
            self.folded(table, &actions, objects);
        }
    }

    /// Returns the rows of a table that are live now.
    pub(crate) fn live_rows(&self, table: &str, objects: &InMemory) -> Vec<Found> {
        let files = self.live.get(table).into_iter().flatten();
        let rows = files
            .flat_map(|(file, key)| rows_of(&format!("{table}/{file}"), key.as_deref(), objects));
        rows.collect()
    }

    /// Returns whether a path is that of a live file.
    pub(crate) fn is_live(&self, path: &str) -> bool {
        let mut tables = self.live.iter();
        tables.any(|(table, files)| {
            let file = path.strip_prefix(table.as_str());
            let file = file.and_then(|rest| rest.strip_prefix('/'));
            file.is_some_and(|file| files.contains_key(file))
        })
    }

    fn add(&mut self, table: &str, add: &Value, objects: &InMemory) {
        let file = decoded(add["path"].as_str().unwrap_or_default());
        let key = add["partitionValues"]["integration_key"]
            .as_str()
            .map(str::to_owned);
        let path = format!("{table}/{file}");
        if read(objects, &path).is_none() {
            self.story
                .violated("visible", format_args!("{path} is added and is not there"));
            return;
        }
        self.live
            .entry(table.to_owned())
            .or_default()
            .insert(file, key.clone());
        if table == "kombo_integrations" {
            self.registered(&column_of(&path, "state", objects));
        }
        let is_new = add["dataChange"].as_bool() != Some(false);
        if table.starts_with("kombo_") || !is_new {
            return;
        }
        let rows = rows_of(&path, key.as_deref(), objects);
        for row in &rows {
            self.row(table, row);
            self.observed.add(table, row);
        }
        self.observed_later(table, &rows);
        self.story.count("files-read");
    }
}
