//! The world as its time passes.

use std::time::Duration;

use super::hash::{at, below, mix, percent, salt};
use super::journal::ChangeKind;
use super::life::ChangeRate;
use super::world::World;
use crate::ids::{EndpointName, IntegrationId};
use crate::time::Moment;

impl World {
    /// Lets time pass, and everything happen that is due by then.
    pub fn advance(&mut self, by: Duration) {
        self.live_until(self.now() + by);
    }

    /// Moves the clock forward to this long after the start. An earlier instant changes nothing.
    pub fn advance_to(&mut self, since_start: Duration) {
        let then = self.settings().start + since_start;
        if then > self.now() {
            self.live_until(then);
        }
    }

    /// From now on records change at this rate as time passes.
    pub fn live(&mut self, pace: ChangeRate) {
        self.life.pace = Some((pace, self.now()));
        self.life.lived = 0;
    }

    /// From now on nothing changes, except for what follows from earlier changes.
    pub fn rest(&mut self) {
        self.life.pace = None;
    }

    /// Returns the rate of changes; `None` for a world that stands still.
    #[must_use]
    pub fn pace(&self) -> Option<ChangeRate> {
        self.life.pace.map(|(pace, _)| pace)
    }

    /// Makes every change that is due until an instant, each at its own time.
    fn live_until(&mut self, then: Moment) {
        loop {
            let change = self.life.next_change(self.settings().seed);
            let change = change.filter(|at| *at <= then);
            let due = self.life.due.first_entry();
            let due = due.filter(|due| due.key().0 <= change.unwrap_or(then));
            if let Some(due) = due {
                let ((at, _), due) = due.remove_entry();
                self.set_now(at);
                self.follow(due);
            } else if let Some(at) = change {
                self.set_now(at);
                self.change_something();
            } else {
                break;
            }
        }
        self.set_now(then);
    }

    fn change_something(&mut self) {
        let roll = mix(mix(self.settings().seed, salt("life")), self.life.rolled);
        self.life.rolled += 1;
        self.life.lived += 1;
        let turnover = self.pace().is_some_and(|pace| pace.turnover) && percent(2, mix(roll, 1));
        let wish = if turnover {
            self.turn(roll)
        } else {
            self.draw(roll)
        };
        if let Some((kind, integration, endpoint, index)) = wish {
            // A change that is not possible now is skipped.
            let done = self.change(kind, &integration, endpoint.as_ref(), index);
            done.unwrap_or_default();
        }
    }

    /// Draws a change of one record, in an integration that can be read.
    fn draw(&self, roll: u64) -> Option<Wish> {
        let all = self.integrations().iter();
        let open = all.filter(|one| !one.is_refused());
        let open: Vec<_> = open.map(|one| (one, one.changing())).collect();
        // Assessments have no models, so no webhook would report a change of their rows.
        let open: Vec<_> = open.iter().filter(|(_, of)| !of.is_empty()).collect();
        let (integration, listings) = open.get(at(open.len(), mix(roll, 2)))?;
        let listing = *listings.get(at(listings.len(), mix(roll, 3)))?;
        let kind = match below(100, mix(roll, 4)) {
            0..25 => ChangeKind::Hire,
            25..35 => ChangeKind::Rename,
            35..45 if listing.endpoint.include_deleted => ChangeKind::Delete,
            _ => ChangeKind::Edit,
        };
        let index = match kind {
            ChangeKind::Hire => None,
            _ => integration.some_record(listing, mix(roll, 5)),
        };
        // A record appears where none is left to change.
        let kind = index.map_or(ChangeKind::Hire, |_| kind);
        let endpoint = listing.endpoint.name().clone();
        Some((kind, integration.id.clone(), Some(endpoint), index))
    }

    /// Draws a change of an integration or of one of its models.
    fn turn(&self, roll: u64) -> Option<Wish> {
        let all = self.integrations();
        let integration = all.get(at(all.len(), mix(roll, 6)))?;
        let whole = |kind| Some((kind, integration.id.clone(), None, None));
        if integration.is_refused() {
            return whole(ChangeKind::IntegrationWoken);
        }
        match below(5, mix(roll, 7)) {
            0 => whole(ChangeKind::IntegrationPaused),
            1 => whole(ChangeKind::IntegrationCreated),
            2 => whole(ChangeKind::IntegrationDeleted),
            _ => {
                let open = integration.changing();
                let (kind, listing) = match integration.closed() {
                    Some(listing) => (ChangeKind::ScopeOn, listing),
                    None => (
                        ChangeKind::ScopeOff,
                        *open.get(at(open.len(), mix(roll, 8)))?,
                    ),
                };
                let endpoint = listing.endpoint.name().clone();
                Some((kind, integration.id.clone(), Some(endpoint), None))
            }
        }
    }
}

/// A drawn change: its kind, the integration, the endpoint and the index of the record.
type Wish = (ChangeKind, IntegrationId, Option<EndpointName>, Option<u64>);
