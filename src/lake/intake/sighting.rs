//! The newest observation of one row, for a single check.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, TimestampMicrosecondArray};
use bytes::Bytes;

use crate::catalog::{Endpoint, SystemColumn};
use crate::decode::{observed_rows, texts};
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::writer::read;
use crate::ids::IntegrationId;
use crate::lake::layout::key_of_file;
use crate::lake::tables::Tables;
use crate::lake::{LakeError, Part};

/// The column with the time of the change, as Kombo says.
const CHANGED_AT: &str = "changed_at";

/// The lake's observation of one row, without the row's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The table in which the observation was found.
    pub part: Part,
    /// Whether the observation says that the row is deleted or absent.
    pub is_deleted: bool,
    /// When the row was observed, in microseconds since the epoch.
    pub fetched_at_us: i64,
    /// When the row changed, as Kombo says, in microseconds since the epoch.
    pub changed_at_us: Option<i64>,
}

/// A search for one row, file by file, snapshots first.
struct SightingSearch {
    integration: IntegrationId,
    id: String,
    /// The earliest observation of the integration's snapshot. Earlier deltas are ignored.
    since_us: Option<i64>,
    newest: Option<Sighting>,
}

/// Returns the newest observation of a row, as a reader of `snapshots` and `deltas` sees it. `None` when there is
/// none. Reads every file that may hold the row, so this is for a single check, not for serving.
pub(in crate::lake) async fn newest(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
    integration: &IntegrationId,
    id: &str,
) -> Result<Option<Sighting>, LakeError> {
    let key = integration.key();
    let mut search = SightingSearch {
        integration: integration.clone(),
        id: id.to_owned(),
        since_us: None,
        newest: None,
    };
    for part in [Part::Snapshots, Part::Deltas] {
        let Some(table) = tables.existing(endpoint, part).await? else {
            continue;
        };
        let state = table.refreshed().await?;
        for file in table.live(&state).await? {
            if key_of_file(&file).is_some_and(|whose| whose != key.as_str()) {
                continue;
            }
            let bytes = table.files.read(&file.path).await?;
            search = on_cpu(move || search.through(part, bytes)).await??;
        }
    }
    Ok(search.newest)
}

impl SightingSearch {
    fn through(mut self, part: Part, file: Bytes) -> Result<Self, LakeError> {
        let columns = [
            SystemColumn::IntegrationId.name(),
            SystemColumn::Op.name(),
            SystemColumn::FetchedAt.name(),
            "id",
            CHANGED_AT,
        ];
        for batch in read(file, &columns)? {
            self.look_at(part, &batch?);
        }
        Ok(self)
    }

    fn look_at(&mut self, part: Part, batch: &RecordBatch) {
        let integrations = texts(batch, SystemColumn::IntegrationId.name());
        let integrations = integrations.expect("every data file has the id");
        // Some endpoints do not have this column.
        let changes = batch.column_by_name(CHANGED_AT);
        let changes = changes.and_then(|changes| changes.as_primitive_opt());
        let changed_at = |row| {
            let changes: &TimestampMicrosecondArray = changes?;
            changes.is_valid(row).then(|| changes.value(row))
        };
        for (row, observed) in observed_rows(batch).enumerate() {
            if integrations.value(row) != self.integration.as_str() {
                continue;
            }
            let fetched_at_us = observed.at.as_micros();
            if part == Part::Snapshots {
                let since_us = self.since_us.get_or_insert(fetched_at_us);
                *since_us = fetched_at_us.min(*since_us);
            }
            if observed.id == self.id {
                self.meet(Sighting {
                    part,
                    is_deleted: !observed.is_there(),
                    fetched_at_us,
                    changed_at_us: changed_at(row),
                });
            }
        }
    }

    fn meet(&mut self, sighting: Sighting) {
        let counts = self
            .since_us
            .is_none_or(|since| sighting.fetched_at_us >= since);
        let wins = self
            .newest
            .is_none_or(|newest| sighting.fetched_at_us >= newest.fetched_at_us);
        if sighting.part == Part::Snapshots || (counts && wins) {
            self.newest = Some(sighting);
        }
    }
}
