//! Reads along: every entry of every Delta log, and the rows of every data file that becomes visible. Judges each step.
//!
//! It shares no code with the program: it reads JSON and Parquet by itself, from the objects and not by way of the
//! faulty store. What it knows of the live files comes from the entries alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures_util::FutureExt;
use kombo_source::ids::IntegrationId;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::clocks::Clocks;
use crate::faults::{Enabled, Fault};
use crate::store::is_log_entry;
use crate::story::Story;
use crate::truth::{Form, Truth, version_in};

/// The overlaps of the tiers: a change that becomes visible later than this after its `changed_at` may be missed by the
/// deltas of the tier.
const TIERS: [(&str, i64); 3] = [
    ("delta", 5 * 60_000),
    ("hourly", 3_600_000),
    ("daily", 24 * 3_600_000),
];

/// Records that were listed for so long are certainly not absent.
const LONG_MS: i64 = 48 * 3_600_000;

/// Reads along. Clones share what was read.
#[derive(Clone)]
pub(crate) struct Observer(Arc<Mutex<Watched>>);

struct Watched {
    truth: Truth,
    clocks: Clocks,
    story: Story,
    faults: Enabled,
    /// The live files of each Delta table, by path: the partition's integration key.
    live: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// The next version of each Delta table.
    next: BTreeMap<String, u64>,
    txns: HashMap<(String, String), i64>,
    /// The newest version of a record that the lake has got, by integration key and id.
    got: HashMap<(String, String), u32>,
}

/// One row of the lake, as far as it is judged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// The integration's key.
    pub(crate) key: String,
    /// The record's id.
    pub(crate) id: String,
    /// `upsert`, `delete` or `absent`.
    pub(crate) op: String,
    /// The number of the version. `None` where the name is null.
    pub(crate) version: Option<u32>,
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

    /// Returns all rows of a Delta table that readers see.
    pub(crate) fn rows(&self, table: &str, objects: &InMemory) -> Vec<Found> {
        let files = self.with(|watched| watched.live.get(table).cloned().unwrap_or_default());
        let mut rows = Vec::new();
        for (file, key) in files {
            rows.extend(rows_of(&format!("{table}/{file}"), key.as_deref(), objects));
        }
        rows
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
        let is_new = add["dataChange"].as_bool() != Some(false);
        if table.starts_with("kombo_") || !is_new {
            return;
        }
        let rows = rows_of(&path, key.as_deref(), objects);
        for row in &rows {
            self.row(table, row);
        }
        self.story.count("files-read");
    }

    fn row(&mut self, table: &str, row: &Found) {
        let customers = self.truth.lock();
        let owner = customers
            .iter()
            .find(|customer| key_of(&customer.id) == row.key);
        let mut tables = owner.into_iter().flat_map(|owner| &owner.tables);
        let own =
            tables.find(|(name, _)| folder_of(name) == table.split('/').next().unwrap_or_default());
        let Some(record) = own.and_then(|(_, own)| own.find(&row.id)) else {
            let text = format!("{} is stored in {table} for {}", row.id, row.key);
            drop(customers);
            return self.story.violated("foreign row", text);
        };
        let now_ms = self.clocks.true_now();
        if let Some(version) = row.version {
            let is_real = record
                .at(now_ms)
                .is_some_and(|latest| version <= latest.number);
            if !is_real {
                self.story.violated(
                    "invented row",
                    format_args!("{} v{version} in {table}", row.id),
                );
            }
            if !table.ends_with("/current") {
                let got = self
                    .got
                    .entry((row.key.clone(), row.id.clone()))
                    .or_default();
                *got = version.max(*got);
            }
        }
        let mut before = record
            .versions
            .iter()
            .filter(|version| version.visible_ms >= now_ms - LONG_MS);
        let was_always_there = record
            .at(now_ms - LONG_MS)
            .is_some_and(|old| old.form != Form::Vanished)
            && before.all(|version| version.form != Form::Vanished);
        if row.op == "absent" && was_always_there && !self.faults.has(Fault::IdsLie) {
            self.story.violated(
                "absence",
                format_args!(
                    "{} was always listed, and {table} says it is absent",
                    row.id
                ),
            );
        }
    }

    fn txn(&mut self, table: &str, app: &str, version: i64) {
        let before = self
            .txns
            .insert((table.to_owned(), app.to_owned()), version);
        let Some((key, name)) = app
            .strip_prefix("kombo/")
            .and_then(|rest| rest.split_once('/'))
        else {
            return;
        };
        let is_source = table.ends_with("/snapshots") || table.ends_with("/deltas");
        let tier = TIERS.iter().find(|(tier, _)| *tier == name);
        if !is_source || (tier.is_none() && name != "seen") {
            return;
        }
        if before.is_some_and(|before| before > version) {
            self.story.violated(
                "bases",
                format_args!("{name} of {key} in {table} goes back"),
            );
        }
        let Some((_, overlap_ms)) = tier else { return };
        let doubts = [
            Fault::WrongDate,
            Fault::WalkCutShort,
            Fault::OffsetPages,
            Fault::ChangedPages,
        ];
        if doubts.iter().any(|fault| self.faults.has(*fault)) {
            return;
        }
        if version > self.clocks.true_now() {
            self.story.violated(
                "bases",
                format_args!("{name} of {key} in {table} is in the future"),
            );
        }
        self.covered(table, key, name, version, *overlap_ms);
    }

    /// Checks that a base covers what was visible: everything that the requests of its tier can find is in the lake.
    fn covered(&self, table: &str, key: &str, tier: &str, base_ms: i64, overlap_ms: i64) {
        let customers = self.truth.lock();
        let owner = customers
            .iter()
            .find(|customer| key_of(&customer.id) == key);
        let folder = table.split('/').next().unwrap_or_default();
        let mut tables = owner.into_iter().flat_map(|owner| &owner.tables);
        let Some((_, own)) = tables.find(|(name, _)| folder_of(name) == folder) else {
            return;
        };
        for record in &own.records {
            let Some(row) = record.row(base_ms) else {
                continue;
            };
            let late_ms = row.version.visible_ms - row.version.changed_ms;
            if row.changed_ms().is_none() || late_ms >= overlap_ms - 2_000 {
                continue;
            }
            let got = self
                .got
                .get(&(key.to_owned(), record.id.clone()))
                .copied()
                .unwrap_or_default();
            if got < row.version.number {
                let (id, number) = (&record.id, row.version.number);
                let base = self.clocks.shown(base_ms);
                self.story.violated("coverage", format_args!("the {tier} base {base} of {table} does not cover {id} v{number}: the lake has v{got}"));
            }
        }
    }
}

/// Returns the key of an integration.
pub(crate) fn key_of(id: &str) -> String {
    IntegrationId::new(id).expect("an id").key().to_string()
}

/// Returns the folder of an endpoint's tables.
pub(crate) fn folder_of(endpoint: &str) -> String {
    endpoint.replace(['/', '-'], "_")
}

fn rows_of(path: &str, key: Option<&str>, objects: &InMemory) -> Vec<Found> {
    let Some(bytes) = read(objects, path) else {
        return Vec::new();
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(ParquetRecordBatchReaderBuilder::build);
    let mut rows = Vec::new();
    for batch in reader.expect("a Parquet file") {
        let batch = batch.expect("rows");
        let [keys, ids, names, ops] =
            ["integration_key", "id", "name", "_op"].map(|name| texts(&batch, name));
        for nth in 0..batch.num_rows() {
            let text = |texts: &Option<StringArray>| {
                let texts = texts.as_ref().filter(|texts| texts.is_valid(nth));
                texts.map(|texts| texts.value(nth).to_owned())
            };
            rows.push(Found {
                key: text(&keys)
                    .or_else(|| key.map(str::to_owned))
                    .unwrap_or_default(),
                id: text(&ids).unwrap_or_default(),
                op: text(&ops).unwrap_or_default(),
                version: text(&names).as_deref().and_then(version_in),
            });
        }
    }
    rows
}

fn texts(batch: &RecordBatch, name: &str) -> Option<StringArray> {
    let column: &ArrayRef = batch.column_by_name(name)?;
    let texts = cast(column, &DataType::Utf8).expect("a text");
    texts.as_any().downcast_ref::<StringArray>().cloned()
}

/// Reads an object. It is in memory, so nothing waits.
fn read(objects: &InMemory, path: &str) -> Option<Bytes> {
    let path = Path::parse(path).ok()?;
    let read = async { objects.get(&path).await.ok()?.bytes().await.ok() };
    read.now_or_never().flatten()
}

/// Returns the path of a file as it is in the store. Entries have it percent-encoded.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
