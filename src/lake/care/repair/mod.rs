//! Repairs damaged tables, and moves instants in the future back to the present.
//!
//! Damage comes first: a log or a data file that is missing, cut or foreign. [`surveyed_table`] finds everything that is
//! wrong with one table, [`endpoint_repair`] and [`ledger_repair`] do what can be done from what is left, and
//! [`mended_table`] says what that is and what is lost. What Kombo still has comes back with the next full fetch: the
//! bases of the integrations concerned are cleared. Tables of different endpoints are repaired independently.
//!
//! A wrong clock stamped rows with instants in the future. [`stamped_table`] finds these instants in every table.
//! [`moves`] maps each to a new instant: in their order, a microsecond apart, from the time of the repair on.
//! [`restamp`] rewrites the files. The transactions in the logs move, too: `seen`, `since`, earlier full fetches, the
//! positions of `current`, and comparisons in `kombo_drift`. Holds move as well. A base in the future is cleared, so
//! the next fetch is a full one.
//!
//! The moves are stored beside the tables first, and deleted last. `deltas` are repaired before `snapshots`, and the
//! tables derived from both after them: a fold that read the old rows is overtaken. Each table shows by itself that it
//! is in the future. So a crash on any line leaves a state that `status` names and that the next repair completes by
//! the same moves. Two concurrent repairs use the same moves. The present is the later of the store's clock and the
//! local clock: where only one clock is behind, nothing is moved.

mod endpoint_repair;
mod ledger_repair;
mod mended_table;
mod moves;
mod orphaned_rows;
mod restamp;
mod stamped_table;
mod surveyed_table;

pub use mended_table::MendedTable;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::exchange::Extent;
use crate::delta::lost_files::Closeness;
use crate::ids::IntegrationKey;
use crate::lake::care::clocks::Clocks;
use crate::lake::care::repair::endpoint_repair::DamageRepair;
use crate::lake::care::repair::moves::{FutureInstants, Moves};
use crate::lake::care::repair::stamped_table::StampedTable;
use crate::lake::fold::Folding;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::registry::registered;
use crate::lake::ledgers::{self, LEDGERS, holds};
use crate::lake::tables::Tables;
use crate::lake::{Hold, LakeError, Part};
use crate::sink::Registration;
use crate::time::{Horizon, MAX_SERVER_LEAD, Moment, ObservedAt};
use crate::words::with_causes;

/// Most rounds over an endpoint, when new rows keep arriving in between.
const ROUNDS: u32 = 3;

/// What a repair did, or would do in a dry run.
#[derive(Clone, Debug, Default)]
pub struct RepairReport {
    /// Tables that are, or were before the repair, damaged.
    pub damaged: Vec<MendedTable>,
    /// Endpoints that have to be fetched again in full, such as `ats/tags`.
    pub fetched_again: Vec<String>,
    /// Tables that are, or were before the repair, in the future.
    pub ahead: Vec<RepairedTable>,
    /// Delta tables with rows in the future.
    pub tables: Vec<Repair>,
    /// Tables that could not be repaired, and why. Other tables are repaired; the next repair continues.
    pub failed: Vec<(String, LakeError)>,
    /// How far the store's clock is ahead of the local clock, if that is much.
    pub behind: Option<Duration>,
}

/// A table that is, or was before the repair, in the future.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairedTable {
    /// Name of the table, such as `ats_applications`.
    pub table: String,
    /// Id of the integration, or its key when the registry does not know the id.
    pub integration: String,
    /// The table's last instant before the repair. `None` where only bases are ahead.
    pub until: Option<ObservedAt>,
}

/// Rows of one Delta table that are, or were before the repair, in the future.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The table's folder.
    pub table: String,
    /// Number of rows.
    pub rows: u64,
    /// Number of files with such rows.
    pub files: u64,
}

/// A repair of the complete lake.
struct Repairing<'a> {
    tables: &'a Tables,
    horizon: Horizon,
    now: Moment,
    dry_run: bool,
    names: HashMap<IntegrationKey, String>,
    report: RepairReport,
}

/// How to repair a lake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairSettings {
    /// Only report what a repair would do.
    pub dry_run: bool,
    /// Read every row of every file, which finds damage within a file. Otherwise only the end of each file is read.
    pub deep: bool,
}

/// Repairs damage, and moves instants in the future back to the present, in the tables of these endpoints and in the
/// lake's own tables. A dry run only reports.
pub(in crate::lake) async fn repair(
    tables: &Tables,
    folding: &Folding,
    endpoints: &[Arc<Endpoint>],
    settings: RepairSettings,
) -> Result<RepairReport, LakeError> {
    let clocks = Clocks::read(tables).await?;
    let (dry_run, endpoints) = (settings.dry_run, &tables.there(endpoints).await);
    let mut report = RepairReport::default();
    report
        .damage(tables, folding, endpoints, (settings, clocks.later))
        .await;
    // Only names are taken from the registry, so a damaged registry does not stop the repair.
    let registered = registered(tables).await.unwrap_or_default();
    let names = registered.into_iter().map(|known| {
        let id = known.integration;
        (id.key(), id.to_string())
    });
    let mut repairing = Repairing {
        tables,
        horizon: Horizon::at(clocks.later),
        now: clocks.later,
        dry_run,
        names: names.collect(),
        report: RepairReport {
            behind: Some(clocks.store_lead).filter(|lead| *lead > MAX_SERVER_LEAD),
            ..report
        },
    };
    for endpoint in endpoints {
        // A damaged table cannot be read for its instants, and is reported already.
        if repairing.is_unreadable(endpoint) {
            continue;
        }
        if let Err(error) = repairing.endpoint(endpoint).await {
            repairing.report.failed(endpoint.name().table_name(), error);
        }
    }
    Ok(repairing.report)
}

impl RepairReport {
    /// Repairs damaged tables, endpoint by endpoint. `kombo_integrations` comes last: it is made again from the others.
    async fn damage(
        &mut self,
        tables: &Tables,
        folding: &Folding,
        endpoints: &[Arc<Endpoint>],
        (settings, now): (RepairSettings, Moment),
    ) {
        let registered = registered(tables).await.unwrap_or_default();
        let purged = registered
            .into_iter()
            .filter(|known| known.state == Registration::PURGED);
        let repair = DamageRepair {
            tables,
            folding,
            closeness: if settings.deep {
                Closeness::Rows
            } else {
                Closeness::Ends
            },
            dry_run: settings.dry_run,
            now,
            purged: purged
                .map(|known| known.integration.key().to_string())
                .collect(),
        };
        for endpoint in endpoints {
            match repair.endpoint(endpoint).await {
                Ok(done) => {
                    self.damaged.extend(done.mended);
                    let again = done.is_fetched_again.then(|| endpoint.name().to_string());
                    self.fetched_again.extend(again);
                }
                Err(error) => self.failed(endpoint.name().table_name(), error),
            }
        }
        for ledger in LEDGERS.iter().rev() {
            match repair.ledger(ledger, endpoints).await {
                Ok(mended) => self.damaged.extend(mended),
                Err(error) => self.failed(ledger.to_string(), error),
            }
        }
    }

    fn failed(&mut self, table: String, error: LakeError) {
        warn!(%table, error = with_causes(&error), advice = error.advice(), "repairing {table} failed; the next repair tries again");
        self.failed.push((table, error));
    }
}

impl Repairing<'_> {
    /// Returns whether a table of the endpoint is damaged and was not repaired.
    fn is_unreadable(&self, endpoint: &Endpoint) -> bool {
        let table = endpoint.name().table_name();
        let folder = format!("{table}/");
        let is_needed = |damaged: &MendedTable| {
            let stamped = [LakeTable::Drift, LakeTable::Quarantine, LakeTable::Holds];
            let mut stamped = stamped.iter().map(LakeTable::to_string);
            damaged.table.starts_with(&folder) || stamped.any(|name| name == damaged.table)
        };
        let mut failed = self.report.failed.iter();
        failed.any(|(failed, _)| *failed == table)
            || self.dry_run && self.report.damaged.iter().any(is_needed)
    }

    async fn endpoint(&mut self, endpoint: &Arc<Endpoint>) -> Result<(), LakeError> {
        let tables = self.tables;
        let stamped = self.stamped(endpoint).await?;
        if stamped.is_empty() {
            return Ok(());
        }
        for _ in 0..ROUNDS {
            if self.dry_run || Moves::begun(tables, endpoint.name()).await?.is_none() {
                let found = self.look(endpoint, &stamped).await?;
                if found.is_empty() {
                    return Ok(());
                }
                let moves = found.moves(self.now.as_millis().saturating_mul(1_000));
                if self.dry_run {
                    self.tell(endpoint, &moves);
                    return Ok(());
                }
                moves.begin(tables, endpoint.name()).await?;
            }
            // Uses the stored moves, which another repair may have written.
            if let Some(moves) = Moves::begun(tables, endpoint.name()).await? {
                self.mend(endpoint, &stamped, &moves).await?;
                self.tell(endpoint, &moves);
            }
            Moves::end(tables, endpoint.name()).await?;
        }
        let table = endpoint.name().table_name();
        Err(DeltaError::Contended { table }.into())
    }

    /// Opens every table that holds instants of the endpoint, in the order of the repair. A table of the lake's own
    /// that cannot be opened is reported and left out.
    async fn stamped(&mut self, endpoint: &Arc<Endpoint>) -> Result<Vec<StampedTable>, LakeError> {
        let mut stamped = Vec::new();
        for part in [Part::Deltas, Part::Snapshots, Part::Current] {
            let table = self.tables.existing(endpoint, part).await?;
            stamped.extend(table.map(|table| StampedTable::of(table, endpoint)));
        }
        if stamped.is_empty() {
            return Ok(stamped);
        }
        for table in [LakeTable::Drift, LakeTable::Quarantine] {
            match ledgers::existing(self.tables, &table).await {
                Ok(opened) => {
                    stamped.extend(opened.map(|opened| StampedTable::of(opened, endpoint)));
                }
                Err(error) => self.failed(table.to_string(), error),
            }
        }
        Ok(stamped)
    }

    async fn look(
        &mut self,
        endpoint: &Arc<Endpoint>,
        stamped: &[StampedTable],
    ) -> Result<FutureInstants, LakeError> {
        let mut found = FutureInstants::default();
        for table in stamped {
            let extent = table.look(self.horizon, &mut found).await?;
            if self.dry_run {
                self.count(table, extent);
            }
        }
        let latest_us = self.horizon.latest_us();
        for hold in holds::read(self.tables).await? {
            if hold.endpoint == *endpoint.name() {
                let mut instants = vec![hold.since_us, hold.until_us];
                instants.retain(|at_us| *at_us > latest_us);
                if !instants.is_empty() {
                    found.add(hold.integration.key().as_str(), instants);
                }
            }
        }
        Ok(found)
    }

    async fn mend(
        &mut self,
        endpoint: &Arc<Endpoint>,
        stamped: &[StampedTable],
        moves: &Moves,
    ) -> Result<(), LakeError> {
        for table in stamped {
            let extent = table.mend(moves, self.horizon).await?;
            self.count(table, extent);
        }
        let second_look = self.tables.settings.guard.second_look;
        let amended = |hold: &Hold| {
            if hold.endpoint != *endpoint.name() {
                return None;
            }
            let to_us = |at_us| moves.to_us(hold.integration.key().as_str(), at_us);
            let (since_us, until_us) = (to_us(hold.since_us), to_us(hold.until_us));
            since_us.or(until_us)?;
            let until_us = until_us.unwrap_or(hold.until_us);
            // A full fetch that confirms the hold must begin after the moved observations.
            let due = second_look.due(ObservedAt::from_micros(until_us));
            Some(Hold {
                since_us: since_us.unwrap_or(hold.since_us),
                until_us,
                confirmable_us: hold.confirmable_us.map(|_| due.as_micros()),
                ..hold.clone()
            })
        };
        holds::amend(self.tables, amended).await
    }

    fn count(&mut self, place: &StampedTable, Extent { rows, files }: Extent) {
        if rows > 0 {
            self.report.tables.push(Repair {
                table: place.table.name.to_string(),
                rows,
                files,
            });
        }
    }

    fn tell(&mut self, endpoint: &Endpoint, moves: &Moves) {
        let table = endpoint.name().table_name();
        for (key, until) in moves.by_key() {
            let name = self.names.get(&key).cloned();
            let integration = name.unwrap_or_else(|| key.to_string());
            if !self.dry_run {
                let until = until.map(|until| until.to_string());
                info!(%table, integration.id = integration, until, "{table} of {integration} was in the future; its instants are moved back to the present");
            }
            self.report.ahead.push(RepairedTable {
                table: table.clone(),
                integration,
                until,
            });
        }
    }

    fn failed(&mut self, table: String, error: LakeError) {
        self.report.failed(table, error);
    }
}
