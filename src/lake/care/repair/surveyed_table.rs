//! One table of the lake with everything that is wrong with it: its log, its hints, its data files.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::delta::exchange::Exchange;
use crate::delta::log::{LogEntries, LogMending, LogState, LogSurvey};
use crate::delta::lost_files::{Closeness, LostFile};
use crate::delta::table::Table;
use crate::lake::LakeError;
use crate::lake::layout::{DocumentKey, LakeTable};
use crate::lake::operation::Operation;
use crate::lake::tables::{OpenTable, Tables, shape};
use crate::time::Moment;
use crate::words::{counted, with_causes};

/// Findings of one table that are listed, at most.
const LISTED: usize = 10;

/// One table of the lake, and what is wrong with it.
pub(super) struct SurveyedTable {
    pub(super) name: LakeTable,
    schema: SchemaRef,
    log: LogSurvey,
    /// The table and its state. `None` while the log cannot be read, and when there is no table.
    pub(super) opened: Option<(OpenTable, Arc<LogState>)>,
    /// Files that the log names and that cannot be read. Not known while the log cannot be read.
    pub(super) lost: Vec<LostFile>,
}

impl SurveyedTable {
    /// Looks at one table. Writes nothing.
    pub(super) async fn of(
        tables: &Tables,
        name: LakeTable,
        schema: SchemaRef,
        closeness: Closeness,
    ) -> Result<Self, LakeError> {
        let log = Table::survey(&tables.store, &name.path()).await?;
        let mut surveyed = Self {
            name,
            schema,
            log,
            opened: None,
            lost: Vec::new(),
        };
        if surveyed.log.is_readable() {
            match surveyed.open(tables, closeness).await {
                // Another program may stop at a hint that leads nowhere. The entries say the same.
                Err(error) if surveyed.log.hints.is_empty() => return Err(error),
                _ => {}
            }
        }
        Ok(surveyed)
    }

    /// Returns whether the table does not exist.
    pub(super) fn is_absent(&self) -> bool {
        self.log.entries == LogEntries::NoTable
    }

    /// Returns whether nothing is wrong, or there is no table.
    pub(super) fn is_whole(&self) -> bool {
        let log = self.log.is_readable() || self.is_absent();
        log && self.log.hints.is_empty() && self.lost.is_empty() && !self.is_under_repair()
    }

    /// Returns whether entries are lost: what they said is not known any more.
    pub(super) fn lacks_entries(&self) -> bool {
        !(self.log.is_readable() || self.is_absent()) || self.is_under_repair()
    }

    fn is_under_repair(&self) -> bool {
        let state = self.opened.as_ref().map(|(_, state)| state);
        state.is_some_and(|state| state.is_under_repair())
    }

    /// Makes the log readable, and looks at the data files. With `begins` a table that is gone begins anew.
    pub(super) async fn mend_log(
        &mut self,
        tables: &Tables,
        (closeness, begins): (Closeness, bool),
        now: Moment,
    ) -> Result<(), LakeError> {
        if self.is_absent() && !begins {
            return Ok(());
        }
        if !self.log.is_readable() || !self.log.hints.is_empty() {
            let aside = DocumentKey::aside(now);
            let shape = shape(&self.name, Arc::clone(&self.schema));
            let mending = LogMending {
                shape: &shape,
                aside: &aside,
                operation: Operation::Repair.as_str(),
                now,
            };
            Table::mend_log(&tables.store, &self.name.path(), &self.log, &mending).await?;
            tables.forget(&self.name);
        }
        self.open(tables, closeness).await
    }

    async fn open(&mut self, tables: &Tables, closeness: Closeness) -> Result<(), LakeError> {
        let table = tables.open(&self.name, &self.schema).await?;
        let state = table.refreshed().await?;
        self.lost = table.lost_files(&state, closeness).await?;
        self.opened = Some((table, state));
        Ok(())
    }

    /// Commits the end of the table's repair: takes lost files out, commits `more` and the transactions, and writes a
    /// checkpoint, so that readers need none of the replaced entries.
    pub(super) async fn commit(
        &self,
        mut more: Vec<Exchange>,
        txns: impl Fn(&LogState) -> Vec<(String, i64)> + Send + Sync,
    ) -> Result<(), LakeError> {
        let Some((table, _)) = &self.opened else {
            return Ok(());
        };
        let lost = self.lost.iter().map(|lost| Exchange {
            inputs: vec![Arc::clone(&lost.file)],
            output: None,
        });
        more.extend(lost);
        table
            .exchange(Operation::Repair.as_str(), &more, txns)
            .await?;
        let written = table.log.checkpoint().await;
        written.map_err(|error| LakeError::Delta(error.into()))
    }

    /// Returns what is wrong, one text per file.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut found = Vec::new();
        match &self.log.entries {
            LogEntries::NoTable => found.push("the table is gone".to_owned()),
            LogEntries::Gone => found.push(format!("{}/_delta_log has no beginning", self.name)),
            LogEntries::There(bad) => found.extend(bad.iter().map(|entry| {
                let what = if entry.is_missing {
                    "is missing"
                } else {
                    "is not a log entry"
                };
                let (table, version) = (&self.name, entry.version);
                format!("{table}/_delta_log/{version:020}.json (version {version}) {what}")
            })),
        }
        let hints = self.log.hints.iter();
        found.extend(hints.map(|hint| format!("{hint} leads nowhere")));
        found.extend(self.lost.iter().map(|lost| with_causes(&lost.error)));
        // Where entries of the log were damaged, the mark is one of this repair.
        let entries_are_whole =
            matches!(&self.log.entries, LogEntries::There(bad) if bad.is_empty());
        if self.is_under_repair() && entries_are_whole {
            found.push("an earlier repair is not complete".to_owned());
        }
        if found.len() > LISTED {
            let more = counted((found.len() - LISTED) as u64, "file");
            found.truncate(LISTED);
            found.push(format!("and {more} more"));
        }
        found
    }

    /// Returns the number of rows in lost files, by the log.
    pub(super) fn lost_rows(&self) -> u64 {
        let rows = self.lost.iter().filter_map(|lost| lost.file.num_records);
        rows.sum()
    }
}
