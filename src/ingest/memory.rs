//! Remembers the rows that this process committed lately, so that they are dropped when they are read again unchanged.
//!
//! The memory is bounded. It forgets complete tables, the least recently fetched first. A forgotten row costs a second
//! observation of the row, never a row.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::TableId;
use crate::sink::Watermarks;
use crate::stream::{KnownHash, RowKey};
use crate::time::UpdatedAfter;

/// Cost of a table without rows, counted in rows.
const TABLE_ROWS: usize = 8;

/// Remembered rows of all tables.
#[derive(Debug)]
pub(super) struct Memory {
    bound: usize,
    rows: usize,
    tables: HashMap<TableId, Remembered>,
    /// Tables by their last use; the first one is forgotten first.
    by_use: BTreeMap<u64, TableId>,
    uses: u64,
    flights: HashMap<TableId, Flights>,
}

#[derive(Debug)]
struct Remembered {
    /// Watermarks of the sink after this process's last commit. With other watermarks the memory of the table is not
    /// used.
    watermarks: Watermarks,
    /// Every fetched row that changed after this instant is among the rows.
    since: UpdatedAfter,
    #[expect(
        clippy::box_collection,
        reason = "most tables had no changed row lately, and a map without rows takes 48 bytes"
    )]
    rows: Option<Box<HashMap<RowKey, i64>>>,
    used: u64,
}

/// Counters of the snapshots of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flights {
    begun: u32,
    under_way: u32,
}

/// A running delta that uses the memory.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    table: TableId,
    watermarks: Watermarks,
    flights: Flights,
    /// Instant since which the memory of the table is complete; `None` when nothing is remembered.
    since: Option<UpdatedAfter>,
    /// Another process has committed a snapshot since this process's last commit. Rows that were dropped meanwhile may
    /// be older there.
    pub(super) overtaken: bool,
}

/// A running snapshot. While it exists, deltas of its table drop no row as unchanged.
pub(super) struct Flight {
    memory: Arc<Mutex<Memory>>,
    table: TableId,
}

impl Memory {
    /// Creates a memory for `bound` rows.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound,
            rows: 0,
            tables: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            flights: HashMap::new(),
        }
    }

    /// Begins a delta of a table with these watermarks.
    pub(super) fn read(&self, table: &TableId, watermarks: Watermarks) -> Reader {
        let remembered = self.tables.get(table);
        Reader {
            table: table.clone(),
            watermarks,
            flights: self.flights(table),
            since: remembered
                .filter(|remembered| remembered.watermarks == watermarks)
                .map(|remembered| remembered.since),
            // The memory stays until a delta has reached back and is committed.
            overtaken: remembered
                .is_some_and(|remembered| remembered.watermarks.snapshots != watermarks.snapshots),
        }
    }

    /// Returns what is known of a row, for a delta that decides about the row now.
    pub(super) fn known(&self, reader: &Reader, row: RowKey) -> KnownHash {
        if self.is_disturbed(reader) {
            return KnownHash::KeepAll;
        }
        let remembered = self.tables.get(&reader.table);
        remembered
            .filter(|remembered| remembered.watermarks == reader.watermarks)
            .and_then(|remembered| remembered.rows.as_ref()?.get(&row))
            .map_or(KnownHash::Nothing, |hash| KnownHash::Same(*hash))
    }

    /// Remembers the rows of a delta, dropped or not, once the delta is committed or had nothing to commit. `rows` is
    /// `None` when there were too many to count. Returns whether the memory was usable from the delta's beginning to
    /// its end.
    pub(super) fn learn(
        &mut self,
        reader: &Reader,
        after: Watermarks,
        updated_after: UpdatedAfter,
        rows: Option<HashMap<RowKey, i64>>,
    ) -> bool {
        let disturbed = self.is_disturbed(reader);
        let Some(rows) = rows.filter(|_| !disturbed) else {
            self.forget(&reader.table);
            return false;
        };
        let before = self.forget(&reader.table);
        let mut remembered = before
            .filter(|remembered| remembered.watermarks == reader.watermarks)
            .unwrap_or(Remembered {
                watermarks: after,
                since: updated_after,
                rows: None,
                used: 0,
            });
        remembered.watermarks = after;
        remembered.since = remembered.since.min(updated_after);
        if !rows.is_empty() {
            remembered.rows.get_or_insert_default().extend(rows);
        }
        self.insert(reader.table.clone(), remembered);
        true
    }

    /// Forgets a table.
    fn forget(&mut self, table: &TableId) -> Option<Remembered> {
        let forgotten = self.tables.remove(table)?;
        self.by_use.remove(&forgotten.used);
        self.rows -= forgotten.cost();
        Some(forgotten)
    }

    fn insert(&mut self, table: TableId, mut remembered: Remembered) {
        self.uses += 1;
        remembered.used = self.uses;
        self.rows += remembered.cost();
        self.by_use.insert(self.uses, table.clone());
        self.tables.insert(table, remembered);
        while self.rows > self.bound
            && let Some((_, oldest)) = self.by_use.first_key_value()
        {
            let oldest = oldest.clone();
            self.forget(&oldest);
        }
    }

    fn flights(&self, table: &TableId) -> Flights {
        self.flights.get(table).copied().unwrap_or_default()
    }

    fn is_disturbed(&self, reader: &Reader) -> bool {
        let flights = self.flights(&reader.table);
        flights != reader.flights || flights.under_way > 0
    }
}

impl Reader {
    /// Returns whether the memory has every row of the sink that changed after an instant.
    pub(super) fn reaches(&self, updated_after: UpdatedAfter) -> bool {
        self.since.is_some_and(|since| since <= updated_after)
    }
}

impl Remembered {
    fn cost(&self) -> usize {
        self.rows.as_ref().map_or(0, |rows| rows.len()) + TABLE_ROWS
    }
}

impl Flight {
    /// Begins a snapshot.
    pub(super) fn begin(memory: &Arc<Mutex<Memory>>, table: &TableId) -> Self {
        let flight = Self {
            memory: Arc::clone(memory),
            table: table.clone(),
        };
        {
            let mut memory = flight.memory();
            let flights = memory.flights.entry(table.clone()).or_default();
            flights.begun = flights.begun.wrapping_add(1);
            flights.under_way += 1;
        }
        flight
    }

    /// Records that the snapshot is visible. Older rows of the memory are no longer the newest, and no delta dropped a
    /// row meanwhile that must be fetched again.
    pub(super) fn committed(self) {
        self.memory().forget(&self.table);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut memory = self.memory();
        if let Some(flights) = memory.flights.get_mut(&self.table) {
            flights.under_way -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Category, EndpointName, IntegrationId};
    use crate::time::ObservedAt;

    fn table(name: &str) -> TableId {
        TableId {
            integration: IntegrationId::new(&format!("tool:{name}")).expect("an id"),
            endpoint: EndpointName::new(Category::Ats, "tags"),
        }
    }

    fn watermarks(snapshots: i64, deltas: i64) -> Watermarks {
        Watermarks {
            snapshots: Some(ObservedAt::from_micros(snapshots)),
            deltas: Some(ObservedAt::from_micros(deltas)),
        }
    }

    fn learn(memory: &mut Memory, name: &str, after: Watermarks, ids: &[&str]) -> bool {
        let reader = memory.read(&table(name), watermarks(1, 1));
        let rows = ids.iter().map(|id| (RowKey::of(id), 7)).collect();
        memory.learn(&reader, after, UpdatedAfter::from_millis(5), Some(rows))
    }

    fn knows(memory: &Memory, name: &str, watermarks: Watermarks) -> bool {
        let reader = memory.read(&table(name), watermarks);
        memory.known(&reader, RowKey::of("r")) == KnownHash::Same(7)
    }

    #[test]
    fn what_is_known_counts_for_the_marks_of_our_last_commit_only() {
        let mut memory = Memory::new(100);
        assert!(learn(&mut memory, "a", watermarks(1, 2), &["r"]));
        assert!(knows(&memory, "a", watermarks(1, 2)));
        assert!(!knows(&memory, "a", watermarks(1, 3)));
        assert!(!knows(&memory, "a", watermarks(2, 2)));
        assert!(!knows(&memory, "b", watermarks(1, 2)), "another table");
    }

    #[test]
    fn only_a_snapshot_of_another_process_is_reached_back_to() {
        let mut memory = Memory::new(100);
        let overtaken =
            |memory: &Memory, watermarks| memory.read(&table("a"), watermarks).overtaken;
        assert!(
            !overtaken(&memory, watermarks(9, 9)),
            "no row was dropped yet"
        );
        learn(&mut memory, "a", watermarks(1, 2), &["r"]);
        assert!(!overtaken(&memory, watermarks(1, 9)));
        assert!(overtaken(&memory, watermarks(9, 2)));
        assert!(
            overtaken(&memory, watermarks(9, 2)),
            "until a delta has reached back"
        );
        let reader = memory.read(&table("a"), watermarks(9, 2));
        memory.learn(
            &reader,
            watermarks(9, 3),
            UpdatedAfter::from_millis(1),
            Some(HashMap::new()),
        );
        assert!(!overtaken(&memory, watermarks(9, 3)));
    }

    #[test]
    fn the_table_that_was_not_used_for_longest_is_forgotten_first() {
        let mut memory = Memory::new(3 * (1 + TABLE_ROWS));
        for name in ["a", "b", "c"] {
            learn(&mut memory, name, watermarks(1, 1), &["r"]);
        }
        learn(&mut memory, "a", watermarks(1, 1), &["r"]);
        learn(&mut memory, "d", watermarks(1, 1), &["r"]);
        let known = ["a", "b", "c", "d"].map(|name| knows(&memory, name, watermarks(1, 1)));
        assert_eq!(known, [true, false, true, true]);
        assert_eq!(memory.rows, 3 * (1 + TABLE_ROWS));
        learn(&mut memory, "e", watermarks(1, 1), &["r", "s", "t"]);
        assert!(memory.rows <= memory.bound && memory.tables.len() == memory.by_use.len());
    }

    #[test]
    fn a_table_larger_than_the_memory_is_not_remembered() {
        let mut memory = Memory::new(TABLE_ROWS + 1);
        learn(&mut memory, "a", watermarks(1, 1), &["r", "s"]);
        assert!(memory.tables.is_empty() && memory.by_use.is_empty() && memory.rows == 0);
    }

    #[test]
    fn a_delta_beside_a_snapshot_keeps_every_row_and_is_not_remembered() {
        let memory = Arc::new(Mutex::new(Memory::new(100)));
        let held = || memory.lock().expect("no panic");
        learn(&mut held(), "a", watermarks(1, 1), &["r"]);
        let before = held().read(&table("a"), watermarks(1, 1));
        let flight = Flight::begin(&memory, &table("a"));
        let beside = held().read(&table("a"), watermarks(1, 1));
        let row = RowKey::of("r");
        for reader in [&before, &beside] {
            assert_eq!(held().known(reader, row), KnownHash::KeepAll);
        }
        drop(flight);
        for reader in [&before, &beside] {
            assert_eq!(
                held().known(reader, row),
                KnownHash::KeepAll,
                "a snapshot ran in between"
            );
        }
        assert!(
            knows(&held(), "a", watermarks(1, 1)),
            "the snapshot was not committed"
        );
        let after = UpdatedAfter::from_millis(5);
        assert!(!held().learn(&beside, watermarks(1, 2), after, Some(HashMap::new())));
        assert!(!knows(&held(), "a", watermarks(1, 2)));
        Flight::begin(&memory, &table("a")).committed();
        assert!(!knows(&held(), "a", watermarks(1, 1)));
    }
}
