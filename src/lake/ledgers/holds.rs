//! `kombo_holds`: what the guard holds back, one row per table that is or was held, in a [`SmallTable`].
//!
//! A service that folds and a person who accepts write to it at the same time. Neither undoes what the other has seen
//! more of:
//!
//! * An accepted hold stays accepted, unless what is to be held was observed later (`until_us`) than what was accepted.
//! * To accept changes only what is held, and only when nothing was observed (`until_us`) that the person had not seen.
//! * `confirmed` and `resolved` say what the rows themselves have shown, and replace everything.
//!
//! What differs in nothing but `updated_at_us` is not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};

use crate::delta::small_table::SmallTable;
use crate::ids::{EndpointName, IntegrationId};
use crate::lake::LakeError;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::own_columns::{
    counts, long_column, long_field, names, names_at, names_column, names_field, text_column,
    text_field, texts, time_at, time_column, time_field, times,
};
use crate::lake::tables::Tables;
use crate::versions::guard::{HoldCause, HoldState};

/// What the guard holds back of one table, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Whose table.
    pub integration: IntegrationId,
    /// Which.
    pub endpoint: EndpointName,
    /// How it stands.
    pub state: HoldState,
    /// The earliest observation held, in microseconds since the epoch, as all instants here.
    pub since_us: i64,
    /// The latest observation looked at.
    pub until_us: i64,
    /// Observations held.
    pub held_rows: u64,
    /// Rows that would vanish.
    pub removed: u64,
    /// Rows that would lose values.
    pub nulled: u64,
    /// Rows that are missing, and that nobody could be asked for.
    pub unconfirmed: u64,
    /// Rows of the table.
    pub table_rows: u64,
    /// Columns that would turn null: names, never values.
    pub columns: Vec<String>,
    /// Why it was held.
    pub cause: HoldCause,
    /// The same as a sentence for whoever has to decide, without values.
    pub detail: String,
    /// From when on a full fetch has to begin to confirm all of it. `None` when only a person can say that it is right.
    pub confirmable_us: Option<i64>,
    /// When it was accepted, confirmed or resolved.
    pub decided_at_us: Option<i64>,
    /// When this was written.
    pub updated_at_us: i64,
}

/// The columns that tell rows apart.
const KEY: [&str; 2] = ["integration_key", "endpoint"];

/// By table.
type Holds = BTreeMap<(IntegrationId, EndpointName), Hold>;

/// Returns what is or was held, by table. Creates nothing.
pub(in crate::lake) async fn read(tables: &Tables) -> Result<Vec<Hold>, LakeError> {
    if !tables.exists(&LakeTable::Holds).await? {
        return Ok(Vec::new());
    }
    let stored = open(tables).await?.rows().await?;
    Ok(by_table(&stored).into_values().collect())
}

/// Writes down holds, by the rules of this module, and returns those tables' as they then are. Whoever asked for
/// something else was overtaken.
pub(in crate::lake) async fn put(tables: &Tables, holds: &[Hold]) -> Result<Vec<Hold>, LakeError> {
    let table = open(tables).await?;
    let mut settled = Holds::new();
    let change = |stored: &[RecordBatch]| {
        let before = by_table(stored);
        settled = settle(&before, holds);
        let changed = settled.iter().filter(|(table, hold)| {
            let stored = before.get(*table);
            stored.is_none_or(|stored| !says_the_same(stored, hold))
        });
        let changed: Vec<&Hold> = changed.map(|(_, hold)| hold).collect();
        (!changed.is_empty()).then(|| batch(&changed))
    };
    table.rewrite(change).await?;
    Ok(settled.into_values().collect())
}

/// Writes down other instants of holds, whatever the rules of this module say of who has seen more. Creates nothing.
pub(in crate::lake) async fn amend(
    tables: &Tables,
    amended: impl Fn(&Hold) -> Option<Hold> + Send + Sync,
) -> Result<(), LakeError> {
    if !tables.exists(&LakeTable::Holds).await? {
        return Ok(());
    }
    let change = |stored: &[RecordBatch]| {
        let before = by_table(stored);
        let changed: Vec<Hold> = before.values().filter_map(&amended).collect();
        (!changed.is_empty()).then(|| batch(&changed.iter().collect::<Vec<_>>()))
    };
    open(tables).await?.rewrite(change).await?;
    Ok(())
}

/// Opens the table, creating it where it is not.
pub(in crate::lake) async fn open(tables: &Tables) -> Result<SmallTable, LakeError> {
    let table = tables.open(&LakeTable::Holds, &schema()).await?;
    Ok(SmallTable::new(table.table, &KEY, "HOLD"))
}

/// Works out how the tables of `new` stand afterwards.
fn settle(stored: &Holds, new: &[Hold]) -> Holds {
    let mut settled = Holds::new();
    for hold in new {
        let table = (hold.integration.clone(), hold.endpoint.clone());
        let stands = settled.get(&table).or_else(|| stored.get(&table));
        let stays = stands.filter(|stands| is_overtaken(hold, stands));
        let next = stays.unwrap_or(hold).clone();
        settled.insert(table, next);
    }
    settled
}

/// Returns whether what is stored stays, by the rules of this module.
fn is_overtaken(new: &Hold, stored: &Hold) -> bool {
    match (new.state, stored.state) {
        (HoldState::Held, HoldState::Accepted) => new.until_us <= stored.until_us,
        (HoldState::Accepted, HoldState::Held | HoldState::Accepted) => {
            new.until_us < stored.until_us
        }
        (HoldState::Accepted, HoldState::Confirmed | HoldState::Resolved) => true,
        _ => false,
    }
}

fn says_the_same(stored: &Hold, hold: &Hold) -> bool {
    let updated_at_us = stored.updated_at_us;
    *stored
        == Hold {
            updated_at_us,
            ..hold.clone()
        }
}

/// Returns the columns of `kombo_holds`.
pub(in crate::lake) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text_field("integration_key"),
        text_field("_integration_id"),
        text_field("endpoint"),
        text_field("state"),
        time_field("since", false),
        time_field("until", false),
        long_field("held_rows"),
        long_field("removed"),
        long_field("nulled"),
        long_field("unconfirmed"),
        long_field("table_rows"),
        names_field("columns"),
        text_field("cause"),
        text_field("detail"),
        time_field("confirmable_at", true),
        time_field("decided_at", true),
        time_field("updated_at", false),
    ]))
}

fn batch(holds: &[&Hold]) -> RecordBatch {
    let holds = || holds.iter();
    let columns = vec![
        texts(holds().map(|hold| hold.integration.key().to_string())),
        texts(holds().map(|hold| hold.integration.as_str())),
        texts(holds().map(|hold| hold.endpoint.as_str())),
        texts(holds().map(|hold| hold.state.as_str())),
        times(holds().map(|hold| Some(hold.since_us))),
        times(holds().map(|hold| Some(hold.until_us))),
        counts(holds().map(|hold| hold.held_rows)),
        counts(holds().map(|hold| hold.removed)),
        counts(holds().map(|hold| hold.nulled)),
        counts(holds().map(|hold| hold.unconfirmed)),
        counts(holds().map(|hold| hold.table_rows)),
        names(holds().map(|hold| hold.columns.as_slice())),
        texts(holds().map(|hold| hold.cause.as_str())),
        texts(holds().map(|hold| &hold.detail)),
        times(holds().map(|hold| hold.confirmable_us)),
        times(holds().map(|hold| hold.decided_at_us)),
        times(holds().map(|hold| Some(hold.updated_at_us))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are those of the schema")
}

/// Reads rows by name. A row with a word that this build does not know is none of ours.
fn by_table(batches: &[RecordBatch]) -> Holds {
    let holds = batches.iter().flat_map(|batch| {
        let rows = 0..batch.num_rows();
        rows.filter_map(|row| hold(batch, row))
    });
    let keyed = holds.map(|hold| ((hold.integration.clone(), hold.endpoint.clone()), hold));
    keyed.collect()
}

fn hold(batch: &RecordBatch, row: usize) -> Option<Hold> {
    let text = |name| Some(text_column(batch, name)?.value(row));
    let time = |name| time_at(time_column(batch, name)?, row);
    let count = |name| {
        let column = long_column(batch, name).filter(|column| column.is_valid(row))?;
        u64::try_from(column.value(row)).ok()
    };
    Some(Hold {
        integration: IntegrationId::new(text("_integration_id")?).ok()?,
        endpoint: EndpointName::from_stored(text("endpoint")?)?,
        state: HoldState::from_name(text("state")?)?,
        since_us: time("since")?,
        until_us: time("until")?,
        held_rows: count("held_rows")?,
        removed: count("removed")?,
        nulled: count("nulled")?,
        unconfirmed: count("unconfirmed")?,
        table_rows: count("table_rows")?,
        columns: names_at(names_column(batch, "columns")?, row),
        cause: HoldCause::from_name(text("cause")?)?,
        detail: text("detail")?.to_owned(),
        confirmable_us: time("confirmable_at"),
        decided_at_us: time("decided_at"),
        updated_at_us: time("updated_at")?,
    })
}
