//! The rules that hold at every step.

use crate::clocks::shown;
use crate::faults::Fault;
use crate::observer::Watched;
use crate::reading::{Found, folder_of, key_of};
use crate::truth::{Customer, Form, Table, Version};

/// The overlaps of the tiers: a change that becomes visible later than this after its `changed_at` may be missed by the
/// deltas of the tier.
const TIERS: [(&str, i64); 3] = [
    ("delta", 5 * 60_000),
    ("hourly", 3_600_000),
    ("daily", 24 * 3_600_000),
];

/// Records that were listed for so long are certainly not absent.
const LONG_MS: i64 = 48 * 3_600_000;

/// A change of more rows than this, and of more than a tenth of a table, is held back.
const GUARDED_ROWS: i64 = 100;

/// A file that was removed from its table stays for readers of earlier versions: twice the full interval, less some time
/// for clocks that are wrong.
const GRACE_MS: i64 = 95 * 3_600_000;

/// Rows that are lost within this time count together.
const LOSSES_MS: i64 = 22 * 3_600_000;

/// After this time a second look may confirm a change that was held back.
const CONFIRMED_MS: i64 = 23 * 3_600_000;

impl Watched {
    /// Judges a row that becomes visible.
    pub(crate) fn row(&mut self, table: &str, row: &Found) {
        let customers = self.truth.lock();
        let own = table_of(&customers, &row.key, table);
        let Some(record) = own.and_then(|own| own.find(&row.id)) else {
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

    /// Judges a number that the lake remembers.
    pub(crate) fn txn(&mut self, table: &str, app: &str, version: i64) {
        let before = self
            .txns
            .insert((table.to_owned(), app.to_owned()), version);
        let Some((key, name)) = app
            .strip_prefix("kombo/")
            .and_then(|rest| rest.split_once('/'))
        else {
            return;
        };
        if name == "rows" && table.ends_with("/current") {
            self.guarded(
                table,
                key,
                before.unwrap_or(0) - version,
                before.unwrap_or(0),
            );
        }
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
        let Some(own) = table_of(&customers, key, table) else {
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
                let base = shown(base_ms);
                self.story.violated("coverage", format_args!("the {tier} base {base} of {table} does not cover {id} v{number}: the lake has v{got}"));
            }
        }
    }

    /// Checks that a fold does not remove many rows at once, unless most of them are gone for a day.
    fn guarded(&mut self, table: &str, key: &str, lost: i64, rows: i64) {
        let now_ms = self.clocks.true_now();
        let old_ms = now_ms - CONFIRMED_MS;
        let losses = (self.losses).entry((table.to_owned(), key.to_owned()));
        let losses = losses.or_default();
        losses.retain(|(at, _)| *at > now_ms - LOSSES_MS);
        losses.push((now_ms, lost.max(0)));
        let lost: i64 = losses.iter().map(|(_, lost)| lost).sum();
        let customers = self.truth.lock();
        let Some(own) = table_of(&customers, key, table) else {
            return;
        };
        let is_long_gone = |version: &&Version| version.form != Form::Live;
        let long_gone = own.records.iter().filter_map(|record| record.at(old_ms));
        let long_gone = i64::try_from(long_gone.filter(is_long_gone).count()).unwrap_or(0);
        let sudden = lost - long_gone;
        if sudden > GUARDED_ROWS && sudden > rows / 10 {
            let text = format!("{lost} of {rows} rows of {table} vanish from {key} within a day");
            drop(customers);
            self.story.violated("guard", text);
        }
    }

    /// Checks the states of the registry: no integration of the world is ever deleted.
    pub(crate) fn registered(&self, states: &[String]) {
        if states.iter().any(|state| state == "deleted") {
            let text = "an integration is stored as deleted, and Kombo has never said so";
            self.story.violated("deletion", text);
        }
    }

    /// Checks that the rows of an entry of `deltas` were observed after all rows before it.
    pub(crate) fn observed_later(&self, table: &str, rows: &[Found]) {
        if !table.ends_with("/deltas") {
            return;
        }
        for row in rows {
            let app = format!("kombo/{}/seen", row.key);
            let seen = self.txns.get(&(table.to_owned(), app));
            if seen.is_some_and(|seen| row.fetched_us <= *seen) {
                let text = format_args!("{} comes to {table} after later observations", row.id);
                return self.story.violated("order", text);
            }
        }
    }

    /// Checks that a data file is deleted only long after it was removed from its table.
    pub(crate) fn deleted(&self, path: &str) {
        if path.starts_with("kombo_") || path.contains("_delta_log") {
            return;
        }
        if self.is_live(path) {
            return self
                .story
                .violated("grace", format_args!("{path} is deleted and live"));
        }
        let removed_ms = self.removed_ms.get(path);
        if removed_ms.is_some_and(|at| self.clocks.true_now() - at < GRACE_MS) {
            let text = format_args!("{path} is deleted soon after it was removed from its table");
            self.story.violated("grace", text);
        }
    }
}

/// Returns what is true of the table that a Delta table of an integration stands for.
fn table_of<'a>(customers: &'a [Customer], key: &str, table: &str) -> Option<&'a Table> {
    let mut customers = customers.iter();
    let owner = customers.find(|customer| key_of(&customer.id) == key)?;
    let folder = table.split('/').next().unwrap_or_default();
    let mut tables = owner.tables.iter();
    let (_, own) = tables.find(|(name, _)| folder_of(name) == folder)?;
    Some(own)
}
