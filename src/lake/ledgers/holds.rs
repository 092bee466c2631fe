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

/// What the guard holds back of one table, or did: a row of `kombo_holds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Whose table.
    #[serde(rename = "_integration_id", serialize_with = "as_text")]
    pub integration: IntegrationId,
    /// Which.
    #[serde(serialize_with = "as_text", deserialize_with = "endpoint_name")]
    pub endpoint: EndpointName,
    /// How it stands.
    pub state: HoldState,
    /// The earliest observation held, in microseconds since the epoch, as all instants here.
    #[serde(rename = "since")]
    pub since_us: i64,
    /// The latest observation looked at.
    #[serde(rename = "until")]
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
    #[serde(rename = "confirmable_at")]
    pub confirmable_us: Option<i64>,
    /// When it was accepted, confirmed or resolved.
    #[serde(rename = "decided_at")]
    pub decided_at_us: Option<i64>,
    /// When this was written.
    #[serde(rename = "updated_at")]
    pub updated_at_us: i64,
}

/// A hold as it is stored. A word that this build does not know makes a row none of ours.
#[derive(Serialize, Deserialize)]
struct HoldRow {
    integration_key: String,
    #[serde(flatten)]
    hold: Hold,
}

/// By table.
type Holds = BTreeMap<(IntegrationId, EndpointName), Hold>;

/// Returns what is or was held, by table. Creates nothing.
pub(in crate::lake) async fn read(tables: &Tables) -> Result<Vec<Hold>, LakeError> {
    if !tables.exists(&LakeTable::Holds).await? {
        return Ok(Vec::new());
    }
    let stored = open(tables).await?.rows().await?;
    Ok(by_table(stored).into_values().collect())
}

/// Writes down holds, by the rules of this module, and returns those tables' as they then are. Whoever asked for
/// something else was overtaken.
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

/// Writes down other instants of holds, whatever the rules of this module say of who has seen more. Creates nothing.
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
    EndpointName::from_stored(&name).ok_or_else(|| D::Error::custom("no name of an endpoint"))
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
