//! Tables that lie in the future are brought back to the present.
//!
//! A wrong clock once stamped rows with instants that are still to come. [`stamped_table`] finds them in every table that holds
//! instants, [`moves`] says where each goes (in their order, a microsecond apart, from the time of the repair on), and
//! [`restamp`] writes the files anew. What the logs say of the tables moves along: `seen`, `since`, earlier looks, the
//! positions of `current`, comparisons in `kombo_drift`; holds, too. A base in the future becomes none, so that the next
//! fetch is a full one.
//!
//! The moves are put beside the tables first, and taken away last. `deltas` come before `snapshots`, and what is made of
//! both after them: a fold that read them before is overtaken. Each table tells by itself that it lies in the future, so
//! a crash on any line leaves something that `status` names and the next repair finishes, by the same moves. Two repairs at
//! once make the same moves. The future is what the later of the store's clock and ours says: where only one of them is
//! behind, nothing is moved.

mod moves;
mod restamp;
mod stamped_table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::exchange::Extent;
use crate::ids::IntegrationKey;
use crate::lake::care::clocks::Clocks;
use crate::lake::care::repair::moves::{FutureInstants, Moves};
use crate::lake::care::repair::stamped_table::StampedTable;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::registry::registered;
use crate::lake::ledgers::{self, holds};
use crate::lake::tables::Tables;
use crate::lake::{Hold, LakeError, Part};
use crate::time::{Horizon, MAX_SERVER_LEAD, Moment, ObservedAt};

/// Looks at an endpoint, when something keeps coming in between.
const ROUNDS: u32 = 3;

/// What was repaired, or would be.
#[derive(Clone, Debug, Default)]
pub struct RepairReport {
    /// Tables that lie, or lay, in the future.
    pub ahead: Vec<RepairedTable>,
    /// Delta tables whose rows are concerned.
    pub tables: Vec<Repair>,
    /// What could not be repaired, and why. The rest was; the next repair goes on.
    pub failed: Vec<(String, LakeError)>,
    /// How far the store's clock is ahead of ours, where that is much.
    pub behind: Option<Duration>,
}

/// A table that lies, or lay, in the future.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairedTable {
    /// The table's name: `ats_applications`.
    pub table: String,
    /// Whose: the id, or the key where the registry does not know it.
    pub integration: String,
    /// Its last instant, as it is or was. `None` where only bases are ahead.
    pub until: Option<ObservedAt>,
}

/// Rows of one Delta table that lie, or lay, in the future.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The table's folder.
    pub table: String,
    /// Rows.
    pub rows: u64,
    /// The files they are in.
    pub files: u64,
}

/// A repair of the whole lake.
struct Repairing<'a> {
    tables: &'a Tables,
    horizon: Horizon,
    now: Moment,
    dry_run: bool,
    names: HashMap<IntegrationKey, String>,
    report: RepairReport,
}

/// Brings what lies in the future back to the present, in the tables of these endpoints. Several may run at once, beside
/// readers and a service. A dry run only says what there is to do.
pub(in crate::lake) async fn repair(
    tables: &Tables,
    endpoints: &[Arc<Endpoint>],
    dry_run: bool,
) -> Result<RepairReport, LakeError> {
    let clocks = Clocks::read(tables).await?;
    // Only names are taken from the registry: a damaged one keeps nobody from repairing the rest.
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
            ..RepairReport::default()
        },
    };
    for endpoint in endpoints {
        if let Err(error) = repairing.endpoint(endpoint).await {
            repairing.failed(endpoint.name().table_name(), error);
        }
    }
    Ok(repairing.report)
}

impl Repairing<'_> {
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
            // Those that are there, whoever has put them.
            if let Some(moves) = Moves::begun(tables, endpoint.name()).await? {
                self.mend(endpoint, &stamped, &moves).await?;
                self.tell(endpoint, &moves);
            }
            Moves::end(tables, endpoint.name()).await?;
        }
        let table = endpoint.name().table_name();
        Err(DeltaError::Contended { table }.into())
    }

    /// Opens every table that holds instants of the endpoint's, in the order in which they are mended. One of the lake's
    /// own that cannot be opened is left out and told.
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
            // A look that confirms it has to be later than where its observations go.
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
                info!(%table, integration.id = integration, until, "{table} of {integration} was in the future and is brought back");
            }
            self.report.ahead.push(RepairedTable {
                table: table.clone(),
                integration,
                until,
            });
        }
    }

    fn failed(&mut self, table: String, error: LakeError) {
        warn!(%table, %error, "{table} could not be repaired; the next repair goes on there");
        self.report.failed.push((table, error));
    }
}
