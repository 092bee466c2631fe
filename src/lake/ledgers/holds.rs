//! `kombo_holds`: changes that the guard holds back. One row per table that is or was held, in a [`SmallTable`].
//!
//! A service that folds and an operator who accepts may write at the same time. These rules keep a writer from
//! undoing what a writer with newer observations has written:
//!
//! * An accepted hold stays accepted, unless the new hold has later observations (`until_us`) than the accepted one.
//! * Accepting takes effect only on a hold that is still held. The operator must have seen all observations
//!   (`until_us`) of the stored hold.
//! * `confirmed` and `resolved` come from the rows themselves, and replace every other state.
//!
//! A hold that differs only in `updated_at_us` is not written.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::delta::small_table::SmallTable;
use crate::ids::{EndpointName, IntegrationId};
use crate::lake::LakeError;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::fields::{long_field, names_field, text_field, time_field};
use crate::lake::operation::Operation;
use crate::lake::tables::Tables;
use crate::versions::guard::{HoldCause, HoldState};

/// A row of `kombo_holds`: the changes of one table that the guard holds back, or held back in the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The integration of the held table.
    #[serde(rename = "_integration_id", serialize_with = "as_text")]
    pub integration: IntegrationId,
    /// The endpoint of the held table.
    #[serde(serialize_with = "as_text", deserialize_with = "endpoint_name")]
    pub endpoint: EndpointName,
    /// The state of the hold.
    pub state: HoldState,
    /// The earliest held observation, in microseconds since the epoch. All instants here have this unit.
    #[serde(rename = "since")]
    pub since_us: i64,
    /// The latest observation that the fold has read.
    #[serde(rename = "until")]
    pub until_us: i64,
    /// Number of observations that are held.
    pub held_rows: u64,
    /// Number of rows that would disappear.
    pub removed: u64,
    /// Number of rows that would lose values.
    pub nulled: u64,
    /// Number of rows that are missing and that Kombo could not be asked about.
    pub unconfirmed: u64,
    /// Number of rows of the table.
    pub table_rows: u64,
    /// Names of the columns that would turn null, never values.
    pub columns: Vec<String>,
    /// Why the changes are held.
    pub cause: HoldCause,
    /// The cause as a sentence for the operator who has to decide, without row values.
    pub detail: String,
    /// A full fetch that begins at this instant or later can confirm the complete hold. `None` when only the operator
    /// can decide.
    #[serde(rename = "confirmable_at")]
    pub confirmable_us: Option<i64>,
    /// When the hold was accepted, confirmed or resolved.
    #[serde(rename = "decided_at")]
    pub decided_at_us: Option<i64>,
    /// When this row was written.
    #[serde(rename = "updated_at")]
    pub updated_at_us: i64,
}

/// A hold as stored. A row with an enum value that this build does not know is skipped.
#[derive(Serialize, Deserialize)]
struct HoldRow {
    integration_key: String,
    #[serde(flatten)]
    hold: Hold,
}

/// Holds by table.
type Holds = BTreeMap<(IntegrationId, EndpointName), Hold>;

/// Returns current and past holds, by table. Creates nothing.
pub(in crate::lake) async fn read(tables: &Tables) -> Result<Vec<Hold>, LakeError> {
    if !tables.exists(&LakeTable::Holds).await? {
        return Ok(Vec::new());
    }
    let stored = open(tables).await?.rows().await?;
    Ok(by_table(stored).into_values().collect())
}

/// Writes holds by the rules of this module, and returns the stored holds of their tables afterwards. A returned hold
/// differs from the given one when a writer with newer observations came first.
pub(in crate::lake) async fn put(tables: &Tables, holds: &[Hold]) -> Result<Vec<Hold>, LakeError> {
    let table = open(tables).await?;
    let mut settled = Holds::new();
    let change = |stored: Vec<HoldRow>| {
        let before = by_table(stored);
        settled = settle(&before, holds);
        let changed = settled.iter().filter(|(table, hold)| {
            let stored = before.get(*table);
            stored.is_none_or(|stored| !says_the_same(stored, hold))
        });
        changed
            .map(|(_, hold)| HoldRow::from(hold.clone()))
            .collect()
    };
    table.rewrite(change).await?;
    Ok(settled.into_values().collect())
}

/// Replaces holds with amended ones, such as with corrected instants. Bypasses the rules of this module. Creates
/// nothing.
pub(in crate::lake) async fn amend(
    tables: &Tables,
    amended: impl Fn(&Hold) -> Option<Hold> + Send + Sync,
) -> Result<(), LakeError> {
    if !tables.exists(&LakeTable::Holds).await? {
        return Ok(());
    }
    let change = |stored: Vec<HoldRow>| {
        let changed = by_table(stored).into_values();
        let changed = changed.filter_map(|hold| amended(&hold));
        changed.map(HoldRow::from).collect()
    };
    open(tables).await?.rewrite(change).await?;
    Ok(())
}

pub(in crate::lake) async fn open(tables: &Tables) -> Result<SmallTable, LakeError> {
    let schema = schema();
    Ok(SmallTable {
        table: tables.open(&LakeTable::Holds, &schema).await?.table,
        schema,
        key: &["integration_key", "endpoint"],
        operation: Operation::Hold.as_str(),
    })
}

/// Returns how the tables of `new` are held afterwards.
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

/// Returns whether the stored hold stays, by the rules of this module.
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

impl From<Hold> for HoldRow {
    fn from(hold: Hold) -> Self {
        let integration_key = hold.integration.key().to_string();
        Self {
            integration_key,
            hold,
        }
    }
}

fn by_table(stored: Vec<HoldRow>) -> Holds {
    let holds = stored.into_iter().map(|row| row.hold);
    let keyed = holds.map(|hold| ((hold.integration.clone(), hold.endpoint.clone()), hold));
    keyed.collect()
}

fn as_text<S: Serializer>(name: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(name)
}

fn endpoint_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EndpointName, D::Error> {
    let name = String::deserialize(deserializer)?;
    EndpointName::from_stored(&name).ok_or_else(|| D::Error::custom("not the name of an endpoint"))
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
