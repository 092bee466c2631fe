//! Selects the rows to remove from a table: by integration and age.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;

use crate::catalog::SystemColumn;
use crate::delta::Sifting;
use crate::delta::log::LiveFile;
use crate::ids::IntegrationKey;
use crate::lake::layout::may_hold;
use crate::time::Moment;

/// Columns that decide whether a row is removed.
const COLUMNS: &[&str] = &[
    SystemColumn::IntegrationKey.name(),
    SystemColumn::FetchedAt.name(),
];

/// Rows to remove: for each integration key, the rows observed up to an instant, in microseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaving {
    of: BTreeMap<String, i64>,
    /// The same for every integration.
    of_everyone: Option<i64>,
}

impl Leaving {
    /// Selects the rows of an integration that were observed up to an instant.
    pub(super) fn add(&mut self, key: &IntegrationKey, until_us: i64) {
        self.of.insert(key.to_string(), until_us);
    }

    /// Selects all rows of an integration.
    pub(super) fn add_all(&mut self, key: &IntegrationKey) {
        self.add(key, i64::MAX);
    }

    /// Selects the rows of every integration that were observed before an instant.
    pub(super) fn add_everyone(&mut self, before: Moment) {
        self.of_everyone = Some(before.as_millis().saturating_mul(1000).saturating_sub(1));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty() && self.of_everyone.is_none()
    }

    /// Returns whether the file may hold selected rows, by its bounds in the log.
    pub(super) fn touches(&self, file: &LiveFile) -> bool {
        let earliest = file.bounds.observed_us.map_or(i64::MIN, |(at, _)| at);
        let mut some = self.of.iter();
        self.of_everyone
            .is_some_and(|until_us| until_us >= earliest)
            || some.any(|(key, until_us)| *until_us >= earliest && may_hold(file, key))
    }

    /// Returns the filter that removes the selected rows from a file. The file is rewritten when at least one in
    /// `worth` of its rows is selected.
    pub(super) fn sifting(
        &self,
        worth: u64,
    ) -> Sifting<impl Fn(&RecordBatch) -> Option<BooleanArray> + Send + use<>> {
        let leaving = self.clone();
        Sifting {
            columns: COLUMNS,
            worth,
            staying: move |batch: &RecordBatch| leaving.staying(batch),
        }
    }

    /// Returns which rows are kept; `None` when the batch names no integration.
    fn staying(&self, batch: &RecordBatch) -> Option<BooleanArray> {
        let keys = batch
            .column_by_name(SystemColumn::IntegrationKey.name())?
            .as_string_opt::<i32>()?;
        let observed = batch
            .column_by_name(SystemColumn::FetchedAt.name())
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        // A row without an instant of observation is only removed with its complete integration.
        let at = |row: usize| {
            let known = observed.filter(|observed| observed.is_valid(row));
            known.map_or(i64::MAX, |observed| observed.value(row))
        };
        let stays = |row: usize| {
            let until_us = self.of.get(keys.value(row)).max(self.of_everyone.as_ref());
            until_us.is_none_or(|until_us| at(row) > *until_us)
        };
        Some((0..keys.len()).map(|row| Some(stays(row))).collect())
    }
}
