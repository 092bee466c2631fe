//! What a notification does to a table.

use std::time::Duration;

use super::{Dispatch, Due};
use crate::fetch::Lane;
use crate::ids::{IntegrationId, TableId};
use crate::plan::{Action, Kind, PlanStep, next_snapshot_instead};
use crate::time::Moment;

/// From the beginning of one delta that a notification asked for to that of the table's next one. Kombo announces an
/// integration's changes every 30 s at most; whoever sends the same webhook a million times gets this many requests.
pub(super) const NOTIFIED_GAP: Duration = Duration::from_secs(10);

/// A model that is off is tried at most this often because of notifications: other tables' models are named in them, too.
const OFF_TRIED_EVERY: Duration = Duration::from_mins(10);

impl Dispatch {
    /// Does for one endpoint what a notification causes.
    pub(super) fn mark(&mut self, id: &IntegrationId, step: &PlanStep, now: Moment) {
        let id = TableId {
            integration: id.clone(),
            endpoint: step.endpoint.name().clone(),
        };
        let Some(table) = self.tables.get_mut(&id) else {
            return;
        };
        if let Some(off) = table.off {
            if step.action != Action::Save {
                // Its rows are said to change: perhaps it was switched on again.
                let soon = now.max(off.tried + OFF_TRIED_EVERY);
                let due = Due::TryOff(id);
                if self.agenda.at(&due).is_some_and(|at| at > soon) {
                    self.agenda.set(due, soon);
                }
            }
            return;
        }
        if !step.stale.is_empty() && table.stale_since.is_none() {
            table.stale_since = Some(now);
            self.time_snapshot(&id, now);
        }
        let table = self.tables.get_mut(&id).expect("found above");
        if step.action == Action::Save {
            return;
        }
        table.notified(now);
        if step.action == Action::Delta && table.takes_deltas() {
            let next = table.answer_began.map(|began| began + NOTIFIED_GAP);
            match next.filter(|next| *next > now) {
                Some(next) => self.agenda.set(Due::Again(id), next),
                None => self.queue.want(&id, Kind::Delta, Lane::Notified),
            }
            return;
        }
        // A first snapshot is wanted already, and covers what is announced before it begins.
        let due = next_snapshot_instead(table.last_snapshot(), now);
        if due <= now {
            self.want_snapshot_again(&id);
        } else {
            self.agenda.set(Due::Instead(id), due);
        }
    }
}
