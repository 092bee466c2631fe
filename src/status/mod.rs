//! How fresh each table is: what the lake holds, and the notes of a running service.
//!
//! [`Status::read`] needs only the lake, so it works while a service runs, after a service has ended, and without one. It
//! never writes. The lake owns the truth: bases, rows and the registry decide what is late ([`judge`]). [`Notes`] of a
//! service are shown. Of the notes only one fact excuses a table: that its model is switched off at Kombo. [`Findings`] of
//! full fetches are added: how complete a table was, and what the guard holds back. Each part is read by itself; a part
//! that cannot be read becomes an [`Unread`] and hides nothing else.

mod findings;
mod judge;
mod service_notes;
mod troubles;
mod unread;

pub use findings::Findings;
pub use judge::{Freshness, Objective};
pub use service_notes::{IntegrationNote, Notes, TableNote, WaitNote};
pub use unread::Unread;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::catalog::Endpoint;
use crate::ids::{EndpointName, IntegrationId, IntegrationKey};
use crate::lake::{Ahead, Completeness, Hold, Lake, Overview, TableOverview};
use crate::sink::Registration;
use crate::time::{Base, Horizon, Moment, ObservedAt, Tier};

/// Number of endpoints whose logs are read at the same time.
const READAHEAD: usize = 8;

/// The freshness of a lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The instant from which ages are measured.
    pub now: Moment,
    /// The notes of the service that wrote last, if one has run.
    pub notes: Option<Notes>,
    /// The notes of all services that have run on this lake lately, the last written first.
    pub services: Vec<Notes>,
    /// Number of integrations that are registered or have rows, also where `integrations` shows some of them only.
    pub known: usize,
    /// Every integration that is registered or has rows, ordered by name.
    pub integrations: Vec<IntegrationStatus>,
    /// The tables and objects that could not be read. All other fields come from what could be read.
    pub unread: Vec<Unread>,
}

/// The freshness of the tables of one integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationStatus {
    /// The integration's id, or its key when the registry does not have the integration.
    pub name: String,
    /// The state in the registry, such as `active`, `setup_pending` or `deleted`. `unregistered` when the registry does not
    /// have the integration, `unknown` while the registry cannot be read.
    pub state: String,
    /// The service's note about the integration.
    pub note: IntegrationNote,
    /// The tables that were fetched, and the tables that a note is about.
    pub tables: Vec<TableStatus>,
}

/// The freshness of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStatus {
    /// The endpoint of the table.
    pub endpoint: EndpointName,
    /// What the Delta logs say about the table.
    pub stored: TableOverview,
    /// The service's note about the table.
    pub note: TableNote,
    /// Whether the table is as fresh as the objective demands.
    pub verdict: Freshness,
    /// The share of correct rows when a full fetch last compared the table; none before the second full fetch.
    pub completeness: Option<Completeness>,
    /// The changes that the guard holds back until an operator or a full fetch decides.
    pub hold: Option<Hold>,
}

/// The state of an integration whose tables are fetched.
const ACTIVE: &str = "active";

/// The state of every integration while the registry cannot be read.
const UNKNOWN: &str = "unknown";

impl Status {
    /// Reads the logs of the lake, the registry, the notes and the findings, each by itself. Writes and creates nothing.
    pub async fn read(
        lake: &Lake,
        endpoints: &[Arc<Endpoint>],
        objective: Objective,
        now: Moment,
    ) -> Self {
        let mut unread = Vec::new();
        let there = lake.there(endpoints).await;
        let overviews: Vec<_> = stream::iter(&there)
            .map(async |endpoint| {
                let damage = lake.damage(endpoint).await;
                (endpoint, damage, lake.overview(endpoint).await)
            })
            .buffered(READAHEAD)
            .collect()
            .await;
        let overviews = overviews
            .into_iter()
            .filter_map(|(endpoint, damage, overview)| {
                let name = endpoint.name().table_name();
                let is_told = Unread::of_damage(&mut unread, damage);
                // A damaged log fails the overview, too.
                let overview = match overview {
                    Err(_) if is_told => None,
                    overview => Unread::or(&mut unread, &name, overview)?,
                }?;
                Some((Arc::clone(endpoint), overview))
            });
        let overviews: Vec<(Arc<Endpoint>, Overview)> = overviews.collect();
        let registered = lake.registered().await;
        let registered = Unread::or(&mut unread, "kombo_integrations", registered);
        let notes = lake.read_status().await;
        let notes = Unread::or(&mut unread, "kombo_status", notes).unwrap_or_default();
        let notes = notes
            .iter()
            .filter_map(|(_, bytes)| Notes::from_bytes(bytes));
        let mut services: Vec<Notes> = notes.collect();
        services.sort_by_key(|notes| std::cmp::Reverse(notes.written_ms));
        let findings = Findings::read(lake, &mut unread).await;
        let mut own = lake.own_damage().await;
        own.retain(|damage| unread.iter().all(|told| told.name != damage.table));
        Unread::of_damage(&mut unread, own);
        let mut status = Self::of(&overviews, registered, services, objective, now);
        findings.add_to(&mut status);
        status.unread = unread;
        status
    }

    /// Combines what was read. Without a registry the integrations that the notes name get their ids from the notes.
    fn of(
        overviews: &[(Arc<Endpoint>, Overview)],
        registered: Option<Vec<Registration>>,
        services: Vec<Notes>,
        objective: Objective,
        now: Moment,
    ) -> Self {
        let notes = services.first().cloned();
        let objective = objective.with(notes.as_ref());
        let mut by_key = Gathered::new(registered, notes.as_ref());
        for (endpoint, overview) in overviews {
            for (key, stored) in &overview.tables {
                by_key.add(key, endpoint, *stored);
            }
            by_key.add_noted(endpoint);
        }
        let recent = notes
            .as_ref()
            .is_some_and(|notes| objective.is_recent(notes, now));
        let mut integrations: Vec<_> = by_key
            .integrations
            .into_values()
            .map(|(mut integration, endpoints)| {
                // An unknown state does not excuse a late table.
                let parked = ![ACTIVE, UNKNOWN].contains(&integration.state.as_str());
                for (table, endpoint) in integration.tables.iter_mut().zip(endpoints) {
                    table.verdict = objective.judge(table, &endpoint, parked, recent, now);
                }
                integration
            })
            .collect();
        integrations.sort_by(|a, b| a.name.cmp(&b.name));
        let known = integrations.len();
        Self {
            now,
            notes,
            services,
            integrations,
            unread: Vec::new(),
            known,
        }
    }

    /// Returns the tables whose base is older than the objective.
    pub fn late(&self) -> impl Iterator<Item = (&IntegrationStatus, &TableStatus)> {
        let all = self.integrations.iter();
        let all = all.flat_map(|one| one.tables.iter().map(move |table| (one, table)));
        all.filter(|(_, table)| matches!(table.verdict, Freshness::Late { .. }))
    }

    /// Returns the tables with rows dated in the future, each with the parts that hold such rows.
    #[must_use]
    pub fn ahead(&self) -> Vec<(&IntegrationStatus, &TableStatus, Vec<Ahead>)> {
        let horizon = Horizon::at(self.now);
        let all = self.integrations.iter();
        let all = all.flat_map(|one| one.tables.iter().map(move |table| (one, table)));
        let ahead = all.filter_map(|(one, table)| {
            let parts = table.ahead(horizon);
            (!parts.is_empty()).then_some((one, table, parts))
        });
        ahead.collect()
    }

    /// Returns whether the operator has nothing to do: there is no trouble, and no row is dated in the future.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.troubles().is_empty() && self.ahead().is_empty()
    }

    /// Returns the share of correct rows over all tables, each at its last comparison with a full fetch.
    #[must_use]
    pub fn completeness(&self) -> Option<Completeness> {
        let all = self.integrations.iter().flat_map(|one| &one.tables);
        Completeness::of_all(all.filter_map(|table| table.completeness))
    }

    /// Returns the number of tables with changes that the guard holds back.
    #[must_use]
    pub fn held_tables(&self) -> u64 {
        let tables = self.integrations.iter().flat_map(|one| &one.tables);
        tables.filter(|table| table.hold.is_some()).count() as u64
    }
}

impl IntegrationStatus {
    /// Returns the share of correct rows over the integration's tables, each at its last comparison with a full fetch.
    #[must_use]
    pub fn completeness(&self) -> Option<Completeness> {
        Completeness::of_all(self.tables.iter().filter_map(|table| table.completeness))
    }

    /// Returns the integration key of the rows.
    fn key(&self) -> Option<IntegrationKey> {
        match IntegrationId::new(&self.name) {
            Ok(id) => Some(id.key()),
            // The name is a key, because the registry does not have the integration.
            Err(_) => IntegrationKey::from_stored(&self.name),
        }
    }
}

impl TableStatus {
    /// Returns the ordinary base: the server time up to which committed fetches cover the table.
    #[must_use]
    pub fn base(&self) -> Option<Base> {
        self.stored.coverage.bases.get(Tier::Ordinary)
    }

    /// Returns the parts of the table with rows dated in the future.
    #[must_use]
    pub fn ahead(&self, horizon: Horizon) -> Vec<Ahead> {
        let held_us = self
            .hold
            .as_ref()
            .map(|hold| hold.until_us.max(hold.since_us));
        let compared = self.completeness.map(|one| one.compared);
        let found = [
            Ahead::of("kombo_drift", compared, horizon),
            Ahead::of("kombo_holds", held_us.map(ObservedAt::from_micros), horizon),
        ];
        let stored = self.stored.ahead(horizon).into_iter();
        stored.chain(found.into_iter().flatten()).collect()
    }
}

/// Integrations by key while tables are added to them. Each integration has its tables and, in the same order, their
/// endpoints.
struct Gathered<'a> {
    /// State of an integration that the registry does not have.
    unnamed: &'static str,
    integrations: BTreeMap<IntegrationKey, (IntegrationStatus, Vec<Arc<Endpoint>>)>,
    notes: Option<&'a Notes>,
    tables: BTreeMap<(IntegrationKey, &'a str), &'a TableNote>,
}

impl<'a> Gathered<'a> {
    fn new(registered: Option<Vec<Registration>>, notes: Option<&'a Notes>) -> Self {
        let tables = notes.into_iter().flat_map(|notes| &notes.tables);
        let tables = tables.filter_map(|note| {
            let integration = IntegrationId::new(&note.integration).ok()?;
            Some(((integration.key(), note.endpoint.as_str()), note))
        });
        let ids = notes
            .into_iter()
            .flat_map(|notes| notes.integrations.keys());
        let ids = ids.filter_map(|name| IntegrationId::new(name).ok());
        let named: Vec<(IntegrationId, String)> = match &registered {
            Some(registered) => registered
                .iter()
                .map(|known| (known.integration.clone(), known.state.clone()))
                .collect(),
            None => ids.map(|id| (id, UNKNOWN.to_owned())).collect(),
        };
        let mut gathered = Self {
            unnamed: registered.map_or(UNKNOWN, |_| "unregistered"),
            integrations: BTreeMap::new(),
            notes,
            tables: tables.collect(),
        };
        for (id, state) in named {
            let one = gathered.named(id.to_string(), state);
            gathered.integrations.insert(id.key(), (one, Vec::new()));
        }
        gathered
    }

    fn named(&self, name: String, state: String) -> IntegrationStatus {
        let note = self.notes.and_then(|notes| notes.integrations.get(&name));
        IntegrationStatus {
            note: note.cloned().unwrap_or_default(),
            tables: Vec::new(),
            name,
            state,
        }
    }

    fn add(&mut self, key: &IntegrationKey, endpoint: &Arc<Endpoint>, stored: TableOverview) {
        let known = self.integrations.get(key);
        if known.is_some_and(|(known, _)| known.state == Registration::PURGED) {
            return;
        }
        let note = self.tables.get(&(key.clone(), endpoint.name().as_str()));
        let note = note.map(|note| TableNote::clone(note)).unwrap_or_default();
        let unknown = self.named(key.to_string(), self.unnamed.to_owned());
        let known = self.integrations.entry(key.clone());
        let (one, endpoints) = known.or_insert((unknown, Vec::new()));
        endpoints.push(Arc::clone(endpoint));
        one.tables.push(TableStatus {
            endpoint: endpoint.name().clone(),
            stored,
            note,
            verdict: Freshness::Unfetched,
            completeness: None,
            hold: None,
        });
    }

    /// Adds the tables of an endpoint that only a note names: nothing of them is committed yet.
    fn add_noted(&mut self, endpoint: &Arc<Endpoint>) {
        let noted = self
            .tables
            .keys()
            .filter(|(_, name)| *name == endpoint.name().as_str());
        let noted: BTreeSet<IntegrationKey> = noted.map(|(key, _)| key.clone()).collect();
        for key in noted {
            let is_there = |(one, _): &(IntegrationStatus, _)| {
                one.tables
                    .iter()
                    .any(|table| table.endpoint == *endpoint.name())
            };
            if self
                .integrations
                .get(&key)
                .is_some_and(|known| !is_there(known))
            {
                self.add(&key, endpoint, TableOverview::default());
            }
        }
    }
}

#[cfg(test)]
mod tests;
