//! Compares a row of a full fetch with what the lake knew of the row. A row that differs is drift.

use arrow::array::Array;

use crate::lake::DriftRow;
use crate::lake::fold::merge::Merge;
use crate::versions::judge::{Evidence, Suspect, suspect};
use crate::versions::winner::Observation;

impl Merge<'_> {
    /// Compares the row in a full fetch with the known row, and records drift.
    pub(super) fn compare(&mut self) {
        let Some(provenance) = self.task.plan.compared else {
            return;
        };
        self.tally.compared += 1;
        let since_us = self.task.plan.since_us.unwrap_or(i64::MAX);
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
        let Some(verdict) = found.judge(&evidence, provenance) else {
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
            // A snapshot without rows has no row that names its fetch. Rows observed after its start can only belong to
            // its closing delta.
            None => row.fetched_at_us >= since_us,
        }
    }

    /// Returns a row that `current` still shows because the guard held the deltas' deletion of it, when the snapshot
    /// has the row as gone, too.
    fn guarded(&self) -> Option<Suspect> {
        let current = self.known.current.filter(|_| self.task.plan.is_held())?;
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
            is_guarded: self.task.plan.is_held()
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
}
