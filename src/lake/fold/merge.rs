//! Merges all observations of a table's rows, in the order of their ids.
//!
//! Each source is sorted, so the observations of one row arrive together. Rows are copied to the output a few thousand
//! at a time. One batch per source is decoded at a time.

mod compare;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::interleave_record_batch;

use crate::catalog::SystemColumn;
use crate::decode::same_but_for_forms;
use crate::delta::delta_error::{DeltaError, ENCODING};
use crate::lake::fold::output::Output;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::source_cursor::{RowSource, SourceCursor};
use crate::lake::fold::task::{MergeTally, Task, keeps};
use crate::versions::looks::Looks;
use crate::versions::losses::{Loss, Withheld};
use crate::versions::winner::{KnownRow, Observation, RowFate};

/// Rows that are copied to the output at a time.
const OUTPUT_ROWS: usize = 4_096;

/// Merges the sources of one table.
pub(super) struct Merge<'a> {
    task: &'a Task,
    withheld: Option<&'a Withheld>,
    cursors: Vec<SourceCursor>,
    output: Output,
    pace: &'a mut Pace,
    known: KnownRow,
    /// Source and row position of each observation of the row in work.
    places: Vec<(usize, usize)>,
    order: Vec<(usize, usize)>,
    id: String,
    tally: MergeTally,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        task: &'a Task,
        withheld: Option<&'a Withheld>,
        cursors: Vec<SourceCursor>,
        output: Output,
        pace: &'a mut Pace,
    ) -> Self {
        Self {
            task,
            withheld,
            cursors,
            output,
            pace,
            known: KnownRow::default(),
            places: Vec::new(),
            order: Vec::new(),
            id: String::new(),
            tally: MergeTally::default(),
        }
    }

    /// Writes the newest observation of each row. Returns the counts and the output.
    pub(super) fn run(mut self) -> Result<(MergeTally, Output), DeltaError> {
        while self.gather()? {
            self.decide();
            if self.order.len() >= OUTPUT_ROWS {
                self.flush()?;
            }
        }
        self.flush()?;
        Ok((self.tally, self.output))
    }

    /// Returns the integration id of the rows; `None` without rows.
    pub(super) fn integration(&self) -> Option<String> {
        let first = self.cursors.first()?;
        first.batch.integration_id().map(str::to_owned)
    }

    /// Copies every row, so that several sorted sources become one. No two rows may have the same id.
    pub(super) fn copy(mut self) -> Result<Output, DeltaError> {
        while self.gather()? {
            self.order.extend_from_slice(&self.places);
            if self.order.len() >= OUTPUT_ROWS {
                self.flush()?;
            }
        }
        self.flush()?;
        Ok(self.output)
    }

    /// Collects the observations of the next row; returns false when there is none.
    fn gather(&mut self) -> Result<bool, DeltaError> {
        self.refill()?;
        let least = self.cursors.iter().filter_map(SourceCursor::id).min();
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
                    RowSource::Current => self.known.current = Some(observation),
                    RowSource::Snapshot => self.known.snapshot = Some(observation),
                    RowSource::Deltas => self.known.deltas.push(observation),
                }
                self.places.push((position, cursor.row));
                cursor.row += 1;
            }
        }
        Ok(true)
    }

    /// Loads the next batch of each exhausted source. First copies the rows that still wait in an exhausted batch.
    fn refill(&mut self) -> Result<(), DeltaError> {
        if self.cursors.iter().any(SourceCursor::is_exhausted) {
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
            RowFate::Stands(row) => self.stands(row),
            RowFate::Lost(row) => self.lost(row),
            RowFate::Nothing => {}
        }
    }

    fn stands(&mut self, row: Observation) {
        let Some(before) = self.known.current else {
            self.tally.changed += 1;
            return self.write(row);
        };
        let plan = &self.task.plan;
        let is_unconfirmed = self.known.snapshot.is_none()
            && plan.since_us.is_some_and(|since| row.fetched_at_us < since);
        if is_unconfirmed && plan.drops_unconfirmed() {
            self.tally.removed += 1;
            self.tally.losses.accepted += 1;
            return self.tally.dropped.push(self.id.clone());
        }
        if let Some(looks) = plan.looks.filter(|_| is_unconfirmed) {
            let found_us = looks.lacking_since_us(row.fetched_at_us);
            self.tally.losses.lack(found_us);
        }
        if before.hash == row.hash || self.differs_in_form_alone(before, row) {
            return self.write(row);
        }
        if self.keeps(before, row) {
            self.tally.held += 1;
            return self.write(before);
        }
        self.tally.changed += 1;
        self.write(row);
    }

    /// Judges the values that a row would lose, and returns whether the row is kept unchanged.
    fn keeps(&mut self, before: Observation, row: Observation) -> bool {
        let nulled = self.nulled(before, row);
        if nulled.is_empty() {
            return false;
        }
        if self.is_accepted(self.first_of(row)) {
            self.tally.losses.accepted += 1;
            return false;
        }
        let columns = &self.task.columns;
        let mut is_kept = false;
        let mut is_confirmed = false;
        for column in nulled {
            let (loss, first_us) = self.loss_of(column, row);
            let confirms = |looks: Looks| loss.by_snapshot && looks.confirms(first_us);
            if self.task.plan.looks.is_some_and(confirms) {
                is_confirmed = true;
                continue;
            }
            self.tally.losses.null(columns.name(column), &loss);
            is_kept |= keeps(self.withheld, columns.name(column));
        }
        self.tally.losses.confirmed += u64::from(is_confirmed && !is_kept);
        is_kept
    }

    fn lost(&mut self, row: Observation) {
        let first_us = self.known.gone_since_us().unwrap_or(row.fetched_at_us);
        let there = self.known.last_there();
        let is_confirmed = || {
            let (looks, there) = self.task.plan.looks.zip(there)?;
            Some(looks.confirms_gone(first_us, there.fetched_at_us))
        };
        if self.is_accepted(first_us) {
            self.tally.losses.accepted += 1;
        } else if is_confirmed() == Some(true) {
            self.tally.losses.confirmed += 1;
        } else {
            let says_gone =
                |one: &Observation| !one.presence.is_there() && one.fetched_at_us >= first_us;
            let of_deltas = self.known.deltas.iter().filter(|one| says_gone(one));
            let of_deltas = of_deltas.map(|one| one.fetched_at_us).min();
            self.tally.losses.remove(&Loss {
                span_us: (first_us, row.fetched_at_us),
                // The next snapshot replaces this one, but remembers when this one began.
                found_us: of_deltas.unwrap_or(first_us),
                by_snapshot: self.known.snapshot.is_some_and(|one| says_gone(&one)),
                by_deltas: of_deltas.is_some(),
            });
            let held = self.withheld.is_some_and(|withheld| withheld.removals);
            if let Some(kept) = there.filter(|_| held) {
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

    /// Returns when the same version of a record was observed first. An acceptance of that observation also covers
    /// later ones.
    fn first_of(&self, row: Observation) -> i64 {
        let same = self.known.all().filter(|one| one.hash == row.hash);
        let first = same.map(|one| one.fetched_at_us).min();
        first.unwrap_or(row.fetched_at_us)
    }

    fn is_accepted(&self, at_us: i64) -> bool {
        let accepted_us = self.task.plan.accepted_us();
        accepted_us.is_some_and(|until| at_us <= until)
    }

    /// Returns what a row would lose in a column, and since when all observations have no value there. The next
    /// snapshot replaces the rows of this one. So a loss that only a snapshot shows has no start that a later full
    /// fetch could know.
    fn loss_of(&self, column: usize, row: Observation) -> (Loss, i64) {
        let has_value = |one: &Observation| {
            let (rows, at) = self.place(*one);
            rows.column(column).is_valid(at)
        };
        let there = || self.known.all().filter(|one| one.presence.is_there());
        let last_value = there().filter(has_value).map(|one| one.fetched_at_us).max();
        let is_null =
            |one: &&Observation| one.presence.is_there() && Some(one.fetched_at_us) > last_value;
        let of_deltas = self.known.deltas.iter().filter(is_null);
        let of_deltas = of_deltas.map(|one| one.fetched_at_us).min();
        let of_snapshot = self.known.snapshot.as_ref().filter(is_null);
        let of_snapshot = of_snapshot.map(|one| one.fetched_at_us);
        let first_us = of_deltas.into_iter().chain(of_snapshot).min();
        let first_us = first_us.unwrap_or(row.fetched_at_us);
        let loss = Loss {
            span_us: (first_us, row.fetched_at_us),
            found_us: of_deltas.unwrap_or(Loss::NEVER),
            by_snapshot: of_snapshot.is_some(),
            by_deltas: of_deltas.is_some(),
        };
        (loss, first_us)
    }

    /// Returns the columns with a value in `before` and null in `after`.
    fn nulled(&self, before: Observation, after: Observation) -> Vec<usize> {
        let (old, old_row) = self.place(before);
        let (new, new_row) = self.place(after);
        let columns = self.task.columns.values.iter().copied();
        let lost = columns.filter(|column| {
            old.column(*column).is_valid(old_row) && new.column(*column).is_null(new_row)
        });
        lost.collect()
    }

    /// Returns whether two rows have the same values and differ only in how instants are written.
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

    fn flush(&mut self) -> Result<(), DeltaError> {
        if self.order.is_empty() {
            return Ok(());
        }
        let batches: Vec<&RecordBatch> = self.cursors.iter().map(|one| &one.batch.rows).collect();
        let rows = match *self.order {
            // A row of many megabytes is not copied.
            [(cursor, row)] => batches[cursor].slice(row, 1),
            _ => interleave_record_batch(&batches, &self.order).map_err(|_| ENCODING)?,
        };
        self.order.clear();
        self.output.write(&rows)?;
        self.pace.rest();
        Ok(())
    }
}
