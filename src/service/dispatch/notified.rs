//! What a notification does to a table.

use std::time::Duration;

use super::{Dispatch, Due};
use crate::fetch::Lane;
use crate::ids::{IntegrationId, TableId};
use crate::plan::{Action, Kind, PlanStep, next_snapshot_instead};
use crate::time::Moment;

/// The least time between the starts of two deltas of one table that notifications asked for. Kombo announces the
/// changes of an integration at most every 30 s, so this delays nothing. It bounds the requests that a flood of
/// replayed webhooks can cause.
pub(super) const NOTIFIED_GAP: Duration = Duration::from_secs(10);

/// How often notifications may cause a try of a table that is switched off. A notification may name models of other
/// tables as well, so it is no proof that the table is back.
const OFF_TRIED_EVERY: Duration = Duration::from_mins(10);

impl Dispatch {
    /// Applies one step of a notification's plan to a table.
    pub(super) fn mark(&mut self, id: &IntegrationId, step: &PlanStep, now: Moment) {
        let id = TableId {
            integration: id.clone(),
            endpoint: step.endpoint.name().clone(),
        };
        let Some(table) = self.tables.get_mut(&id) else {
            return;
        };
        if let Some(off) = &table.off {
            if step.action != Action::Save {
                // A notification announces rows of the table, so it may have been switched on again.
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
        let table = self.tables.get_mut(&id).expect("the table was found above");
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
        // A first snapshot that waits already covers what is announced before it begins.
        let due = next_snapshot_instead(table.last_snapshot(), now);
        if due <= now {
            self.want_snapshot_again(&id);
        } else {
            self.agenda.set(Due::Instead(id), due);
        }
    }
}
