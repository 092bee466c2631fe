//! The lake's own tables besides the registry and the quarantine, as far as upkeep has to open them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::committer::Committer;
use super::layout::{DeltaTable, Partition};
use super::{Lake, LakeError, quarantine, registry};

/// Whose row it is, in each of them.
pub(super) const KEY: &str = "integration_key";

/// How a hold stands.
pub(super) const STATE: &str = "state";

/// It is active: nothing of the table is folded past it.
pub(super) const HELD: &str = "held";

/// The tables that hold rows of many endpoints.
pub(super) const OWN: [DeltaTable; 4] = [
    DeltaTable::Integrations,
    DeltaTable::Quarantine,
    DeltaTable::Drift,
    DeltaTable::Holds,
];

impl Lake {
    /// Opens one of the lake's own tables; `None`, and nothing created, where there is none.
    pub(super) async fn own_table(
        &self,
        table: &DeltaTable,
    ) -> Result<Option<Arc<Committer>>, LakeError> {
        if !self.exists(table).await? {
            return Ok(None);
        }
        let schema = match table {
            DeltaTable::Integrations => registry::schema(),
            DeltaTable::Quarantine => quarantine::schema(),
            DeltaTable::Drift => drift_schema(),
            DeltaTable::Holds => holds_schema(),
            // Tables of endpoints have columns of their own.
            DeltaTable::Snapshots(_) | DeltaTable::Deltas(_) | DeltaTable::Current(_) => {
                return Ok(None);
            }
        };
        self.committer(table.clone(), &schema).await.map(Some)
    }
}

/// Returns the columns of `kombo_drift`.
pub(super) fn drift_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(Partition::COMMIT_DATE, DataType::Date32, false),
        text(KEY, false),
        text("_integration_id", false),
        text("endpoint", false),
        text("id", false),
        text("kind", false),
        text("cause", false),
        texts("columns"),
        time("_fetched_at", false),
        time("known_fetched_at", true),
        time("changed_at", true),
        time("wrong_since", true),
        Field::new("wrong_secs", DataType::Int64, true),
        text("_fetch_id", false),
    ]))
}

/// Returns the columns of `kombo_holds`.
pub(super) fn holds_schema() -> SchemaRef {
    let number = |name: &str| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![
        text(KEY, false),
        text("_integration_id", false),
        text("endpoint", false),
        text(STATE, false),
        time("since", false),
        time("until", false),
        number("held_rows"),
        number("removed"),
        number("nulled"),
        number("unconfirmed"),
        number("table_rows"),
        texts("columns"),
        text("cause", false),
        text("detail", false),
        time("decided_at", true),
        time("updated_at", false),
    ]))
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

fn time(name: &str, nullable: bool) -> Field {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Field::new(name, micros, nullable)
}

fn texts(name: &str) -> Field {
    let element = Arc::new(Field::new("element", DataType::Utf8, false));
    Field::new(name, DataType::List(element), false)
}
