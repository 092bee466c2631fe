//! Which table of a backfill is next, and what an ended fetch means for its table and for the others.

use std::collections::HashMap;
use std::sync::Arc;

use super::BackfillSettings;
use super::outcome::{TableEnding, TableOutcome};
use super::table::{Fetched, OpenTable};
use super::targets::Target;
use crate::fetch::Lane;
use crate::ids::{IntegrationId, TableId};
use crate::ingest::IngestError;
use crate::plan::{Kind, Queue};
use crate::service::{FailedFetch, Fetching};
use crate::time::ServerNow;
use crate::words::with_causes;

/// The tables of one backfill.
pub(super) struct OpenTables<E> {
    queue: Queue,
    /// The tables that wait. A table that is being fetched is with its task.
    open: HashMap<TableId, OpenTable>,
    want: Kind,
    /// Kombo's refusal of the key, if it refused the key.
    key_refused: Option<String>,
    /// Kombo's refusals of integrations.
    parked: HashMap<IntegrationId, String>,
    outcomes: Vec<TableOutcome>,
    ended: E,
}

/// Orders tables as a backfill fetches them. Integrations take turns, so none waits for all tables of another.
#[must_use]
pub fn in_turns(targets: Vec<Target>) -> Vec<Target> {
    let mut queue = asked_for(&targets, Kind::Snapshot);
    let mut targets: HashMap<TableId, Target> = by_table(targets);
    let turns = std::iter::from_fn(|| queue.next(|_| true));
    turns
        .filter_map(|work| targets.remove(&work.table))
        .collect()
}

/// Asks for all tables at once. Among tables never fetched the queue takes the last one first, so the tables are added
/// in reverse order.
fn asked_for(targets: &[Target], want: Kind) -> Queue {
    let mut queue = Queue::default();
    for target in targets.iter().rev() {
        queue.want(&target.table, want, Lane::Backfill);
    }
    queue
}

fn by_table(targets: Vec<Target>) -> HashMap<TableId, Target> {
    let targets = targets.into_iter();
    targets
        .map(|target| (target.table.clone(), target))
        .collect()
}

impl<E: Fn(&TableOutcome)> OpenTables<E> {
    pub(super) fn new(targets: Vec<Target>, settings: &BackfillSettings, ended: E) -> Self {
        let open = |(table, target)| (table, OpenTable::new(target, settings.confirm));
        Self {
            queue: asked_for(&targets, settings.want),
            open: by_table(targets).into_iter().map(open).collect(),
            want: settings.want,
            key_refused: None,
            parked: HashMap::new(),
            outcomes: Vec::new(),
            ended,
        }
    }

    /// Takes the next fetch out. Tables before it that are certain to fail end here without a try. `now` is Kombo's
    /// time; without it, the time at which Kombo answered for the integration is used.
    pub(super) fn next(&mut self, now: Option<ServerNow>) -> Option<(Fetching, OpenTable)> {
        loop {
            let work = self.queue.next(|_| true)?;
            let open = self.open.remove(&work.table);
            let open = open.expect("a waiting table is open");
            let parked = self.parked.get(&work.table.integration);
            let Some(reason) = self.key_refused.as_ref().or(parked) else {
                let now = now.map_or_else(|| open.target.server_now(), ServerNow::moment);
                let endpoint = Arc::clone(&open.target.endpoint);
                return Some((Fetching::unannounced(work, endpoint, now), open));
            };
            let reason = reason.clone();
            self.queue.committed(&work);
            self.end(open, TableEnding::NotTried { reason });
        }
    }

    /// Returns whether a table waits to be fetched.
    pub(super) fn is_waiting(&self) -> bool {
        self.queue.waiting() > 0
    }

    /// Takes in the result of a fetch.
    pub(super) fn fetched(&mut self, fetched: Fetched) {
        let Fetched {
            fetching,
            mut open,
            result,
        } = fetched;
        self.queue.committed(&fetching.work);
        let ending = match result {
            Ok(None) => TableEnding::Skipped,
            Ok(Some(done)) => {
                open.outcome.finish(&done);
                let ending = TableEnding::of(&done);
                if open.goes_on(done.mode, &ending) {
                    let table = fetching.work.table;
                    self.queue.want(&table, self.want, Lane::Backfill);
                    self.open.insert(table, open);
                    return;
                }
                ending
            }
            Err(error) => {
                self.failed(&fetching.work.table.integration, &error);
                TableEnding::from(error)
            }
        };
        self.end(open, ending);
    }

    /// Notes which other tables are certain to fail.
    fn failed(&mut self, id: &IntegrationId, error: &IngestError) {
        let Some(said) = error.api() else {
            return;
        };
        match FailedFetch::of(error) {
            FailedFetch::Key(_) => self.key_refused = Some(with_causes(said)),
            FailedFetch::Integration(_) => {
                self.parked.insert(id.clone(), with_causes(said));
            }
            FailedFetch::Off(_) | FailedFetch::Once(_) => {}
        }
    }

    pub(super) fn into_outcomes(self) -> Vec<TableOutcome> {
        self.outcomes
    }

    fn end(&mut self, open: OpenTable, ending: TableEnding) {
        let outcome = open.ended(ending);
        (self.ended)(&outcome);
        outcome.log();
        self.outcomes.push(outcome);
    }
}
