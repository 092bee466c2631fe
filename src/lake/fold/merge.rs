//! The pass over all observations of a table's rows, in the order of their ids.
//!
//! Each source is sorted, so that the observations of one row come together. Rows are copied into order a few thousand
//! at a time; of each source one batch is decoded.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::interleave_record_batch;

use super::cursor::{Cursor, Origin};
use super::output::Output;
use super::pace::Pace;
use super::task::{Tally, Task, keeps};
use crate::catalog::SystemColumn;
use crate::decode::same_but_for_forms;
use crate::fold::judge::{Evidence, Suspect, suspect};
use crate::fold::losses::Withheld;
use crate::fold::winner::{Known, Observation, Outcome};
use crate::lake::lake_error::ENCODING;
use crate::lake::{DriftRow, LakeError};

/// Rows that are copied into order at a time.
const OUTPUT_ROWS: usize = 4_096;

/// Merges sources of one table.
pub(super) struct Merge<'a> {
    task: &'a Task,
    withheld: Option<&'a Withheld>,
    cursors: Vec<Cursor>,
    output: Output,
    pace: &'a mut Pace,
    known: Known,
    /// Source and row of each observation of the row that is looked at.
    places: Vec<(usize, usize)>,
    order: Vec<(usize, usize)>,
    id: String,
    tally: Tally,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        task: &'a Task,
        withheld: Option<&'a Withheld>,
        cursors: Vec<Cursor>,
        output: Output,
        pace: &'a mut Pace,
    ) -> Self {
        Self {
            task,
            withheld,
            cursors,
            output,
            pace,
            known: Known::default(),
            places: Vec::new(),
            order: Vec::new(),
            id: String::new(),
            tally: Tally::default(),
        }
    }

    /// Writes what stands, and says what became of the rows.
    pub(super) fn run(mut self) -> Result<(Tally, Output), LakeError> {
        while self.gather()? {
            self.decide();
            if self.order.len() >= OUTPUT_ROWS {
                self.flush()?;
            }
        }
        self.flush()?;
        Ok((self.tally, self.output))
    }

    /// Returns whose rows they are; `None` when there are none.
    pub(super) fn integration(&self) -> Option<String> {
        let first = self.cursors.first()?;
        first.batch.integration_id().map(str::to_owned)
    }

    /// Copies every row, none of which another has the id of: several sorted sources become one.
    pub(super) fn copy(mut self) -> Result<Output, LakeError> {
        while self.gather()? {
            self.order.extend_from_slice(&self.places);
            if self.order.len() >= OUTPUT_ROWS {
                self.flush()?;
            }
        }
        self.flush()?;
        Ok(self.output)
    }

    /// Collects the observations of the next row; `false` when there is none.
    fn gather(&mut self) -> Result<bool, LakeError> {
        self.refill()?;
        let least = self.cursors.iter().filter_map(Cursor::id).min();
        let Some(least) = least else {
            return Ok(false);
        };
        self.id.clear();
        self.id.push_str(least);
        self.known.clear();
        self.places.clear();
        for (position, cursor) in self.cursors.iter_mut().enumerate() {
            while cursor.id() == Some(&self.id) {
                let observation = cursor.observation(self.places.len());
                match cursor.origin {
                    Origin::Current => self.known.current = Some(observation),
                    Origin::Snapshot => self.known.snapshot = Some(observation),
                    Origin::Deltas => self.known.deltas.push(observation),
                }
                self.places.push((position, cursor.row));
                cursor.row += 1;
            }
        }
        Ok(true)
    }

    /// A batch that is used up may still have rows to be copied.
    fn refill(&mut self) -> Result<(), LakeError> {
        if self.cursors.iter().any(Cursor::is_exhausted) {
            self.flush()?;
            let mut left = Vec::with_capacity(self.cursors.len());
            for mut cursor in std::mem::take(&mut self.cursors) {
                if !cursor.is_exhausted() || cursor.refill()? {
                    left.push(cursor);
                }
            }
            self.cursors = left;
        }
        Ok(())
    }

    fn decide(&mut self) {
        self.compare();
        match self.known.outcome() {
            Outcome::Stands(row) => self.stands(row),
            Outcome::Lost(row) => self.lost(row),
            Outcome::Nothing => {}
        }
    }

    fn stands(&mut self, row: Observation) {
        let Some(before) = self.known.current else {
            self.tally.changed += 1;
            return self.write(row);
        };
        let is_unconfirmed = self.known.snapshot.is_none()
            && self
                .task
                .since_us
                .is_some_and(|since| row.fetched_at_us < since);
        if is_unconfirmed && self.task.drops_unconfirmed {
            self.tally.removed += 1;
            return self.tally.dropped.push(self.id.clone());
        }
        self.tally.losses.unconfirmed += u64::from(is_unconfirmed);
        if before.hash == row.hash || self.differs_in_form_alone(before, row) {
            return self.write(row);
        }
        let nulled = self.nulled(before, row);
        if !self.is_accepted(self.first_of(row)) {
            let by_snapshot = self.is_of_snapshot(row);
            for column in &nulled {
                self.tally
                    .losses
                    .null(column, row.fetched_at_us, by_snapshot);
            }
            if keeps(self.withheld, &nulled) {
                self.tally.held += 1;
                return self.write(before);
            }
        }
        self.tally.changed += 1;
        self.write(row);
    }

    fn lost(&mut self, row: Observation) {
        let first_us = self.known.gone_since_us().unwrap_or(row.fetched_at_us);
        if !self.is_accepted(first_us) {
            let by_snapshot = self.is_of_snapshot(row);
            self.tally
                .losses
                .remove(first_us, row.fetched_at_us, by_snapshot);
            let held = self.withheld.is_some_and(|withheld| withheld.removals);
            if let Some(kept) = self.known.last_there().filter(|_| held) {
                self.tally.held += 1;
                return self.write(kept);
            }
        }
        self.tally.removed += 1;
    }

    fn write(&mut self, row: Observation) {
        self.tally.rows += 1;
        self.order.push(self.places[row.place]);
    }

    /// Returns when the same record was observed first: what was accepted then need not be accepted again.
    fn first_of(&self, row: Observation) -> i64 {
        let same = self.known.all().filter(|one| one.hash == row.hash);
        let first = same.map(|one| one.fetched_at_us).min();
        first.unwrap_or(row.fetched_at_us)
    }

    fn is_accepted(&self, at_us: i64) -> bool {
        self.task.accepted_us.is_some_and(|until| at_us <= until)
    }

    fn is_of_snapshot(&self, row: Observation) -> bool {
        let (cursor, _) = self.places[row.place];
        self.cursors[cursor].origin == Origin::Snapshot
    }

    /// Returns the columns that have a value in one row and none in the other.
    fn nulled(&self, before: Observation, after: Observation) -> Vec<&'a str> {
        let (old, old_row) = self.place(before);
        let (new, new_row) = self.place(after);
        let columns = &self.task.columns;
        let lost = columns.values.iter().filter(|column| {
            old.column(**column).is_valid(old_row) && new.column(**column).is_null(new_row)
        });
        lost.map(|column| columns.name(*column)).collect()
    }

    /// Holds what a full fetch saw against what was known.
    fn compare(&mut self) {
        let Some(circumstances) = self.task.compared else {
            return;
        };
        self.tally.compared += 1;
        let since_us = self.task.since_us.unwrap_or(i64::MAX);
        let found = suspect(&self.known, |one| self.is_closing(one, since_us));
        let found = found.or_else(|| self.guarded());
        let Some(found) = found else {
            return;
        };
        let known = found.known.filter(|known| known.presence.is_there());
        if known.is_some_and(|known| {
            found.seen.presence.is_there() && self.differs_in_form_alone(known, found.seen)
        }) {
            return;
        }
        let evidence = self.evidence(found);
        let Some(verdict) = found.judge(&evidence, circumstances) else {
            return;
        };
        self.tally.drift.push(DriftRow {
            id: self.id.clone(),
            kind: verdict.kind,
            cause: verdict.cause,
            columns: evidence.columns,
            fetched_at_us: found.seen.fetched_at_us,
            known_fetched_at_us: found.known.map(|known| known.fetched_at_us),
            changed_at_us: evidence.seen_changed_us,
            wrong_since_us: verdict.wrong_since_us,
        });
    }

    /// Returns whether a row of `deltas` came with the snapshot's own closing delta.
    fn is_closing(&self, row: &Observation, since_us: i64) -> bool {
        let (cursor, at) = self.places[row.place];
        match &self.task.fetch_id {
            Some(fetch) => self.cursors[cursor].batch.fetch_id(at) == fetch,
            // A snapshot without rows does not tell its name; what came after it began can only be its own.
            None => row.fetched_at_us >= since_us,
        }
    }

    /// A row that `current` still shows, because the guard held what deltas said of it, and that is gone for the
    /// snapshot as well.
    fn guarded(&self) -> Option<Suspect> {
        let current = self.known.current.filter(|_| self.task.is_held)?;
        let newest = self.known.all().max_by_key(|one| one.fetched_at_us)?;
        (!newest.presence.is_there()).then_some(Suspect {
            known: Some(current),
            seen: newest,
        })
    }

    fn evidence(&self, found: Suspect) -> Evidence {
        let (seen, seen_row) = self.place(found.seen);
        let changed = |row: Observation| {
            let (cursor, at) = self.places[row.place];
            self.cursors[cursor].batch.changed_at_us(at)
        };
        let columns = &self.task.columns;
        let mut values = columns.values.iter();
        let mut evidence = Evidence {
            known_changed_us: found.known.and_then(changed),
            seen_changed_us: changed(found.seen),
            is_emptied: values.all(|column| seen.column(*column).is_null(seen_row)),
            is_guarded: self.task.is_held
                && found.known == self.known.current
                && !found.seen.presence.is_there(),
            ..Evidence::default()
        };
        let both_there =
            |known: &Observation| known.presence.is_there() && found.seen.presence.is_there();
        if let Some(known) = found.known.filter(both_there) {
            let (old, old_row) = self.place(known);
            let compared = columns.values.iter().copied().chain([columns.rest]);
            let differing: Vec<usize> = compared
                .filter(|column| {
                    let (old, new) = (old.column(*column), seen.column(*column));
                    old.slice(old_row, 1) != new.slice(seen_row, 1)
                })
                .collect();
            evidence.only_nested = differing.iter().all(|column| columns.is_nested(*column));
            let names = differing.iter().map(|column| columns.name(*column));
            evidence.columns = names.map(str::to_owned).collect();
        }
        evidence
    }

    /// Returns whether two rows have the same values, and other texts of the same instants.
    fn differs_in_form_alone(&self, before: Observation, after: Observation) -> bool {
        let ((old, old_row), (new, new_row)) = (self.place(before), self.place(after));
        let columns = &self.task.columns;
        let rest = |rows: &RecordBatch, row| {
            let rest = rows.column(columns.rest).as_string_opt::<i32>()?;
            rest.is_valid(row).then(|| rest.value(row).to_owned())
        };
        let (old_rest, new_rest) = (rest(old, old_row), rest(new, new_row));
        let mut values = SystemColumn::ALL.len()..old.num_columns();
        old_rest != new_rest
            && same_but_for_forms(
                columns.schema.fields(),
                old_rest.as_deref(),
                new_rest.as_deref(),
            )
            && values.all(|at| old.column(at).slice(old_row, 1) == new.column(at).slice(new_row, 1))
    }

    fn place(&self, row: Observation) -> (&RecordBatch, usize) {
        let (cursor, at) = self.places[row.place];
        (&self.cursors[cursor].batch.rows, at)
    }

    fn flush(&mut self) -> Result<(), LakeError> {
        if self.order.is_empty() {
            return Ok(());
        }
        let batches: Vec<&RecordBatch> = self.cursors.iter().map(|one| &one.batch.rows).collect();
        let rows = interleave_record_batch(&batches, &self.order).map_err(|_| ENCODING)?;
        self.order.clear();
        self.output.write(&rows)?;
        self.pace.rest();
        Ok(())
    }
}
