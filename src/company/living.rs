//! The world as its time passes.

use std::time::Duration;

use super::hash::{at, below, mix, percent, salt};
use super::journal::ChangeKind;
use super::life::ChangeRate;
use super::world::World;
use crate::ids::{EndpointName, IntegrationId};

impl World {
    /// Lets time pass, and everything happen that is due by then.
    pub fn advance(&mut self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.live_until(self.now_ms().saturating_add(by));
    }

    /// Moves the clock forward to this long after the start. An earlier instant changes nothing.
    pub fn advance_to(&mut self, since_start: Duration) {
        let since = i64::try_from(since_start.as_millis()).unwrap_or(i64::MAX);
        let then = self.settings().start_ms.saturating_add(since);
        if then > self.now_ms() {
            self.live_until(then);
        }
    }

    /// From now on things change as time passes.
    pub fn live(&mut self, pace: ChangeRate) {
        self.life.pace = Some((pace, self.now_ms()));
        self.life.lived = 0;
    }

    /// From now on nothing changes by itself, except for what follows from earlier changes.
    pub fn rest(&mut self) {
        self.life.pace = None;
    }

    /// Returns at which pace things change.
    #[must_use]
    pub fn pace(&self) -> Option<ChangeRate> {
        self.life.pace.map(|(pace, _)| pace)
    }

    /// Lets everything happen that is due until an instant, each at its own.
    pub(super) fn live_until(&mut self, then_ms: i64) {
        loop {
            let change = self.life.next_change_ms(self.settings().seed);
            let change = change.filter(|at| *at <= then_ms);
            let due = self.life.due.first_key_value().map(|(key, _)| *key);
            let due = due.filter(|(at, _)| *at <= then_ms);
            match (due, change) {
                (Some((at, nth)), change) if change.is_none_or(|change| at <= change) => {
                    self.set_now(at);
                    if let Some(due) = self.life.due.remove(&(at, nth)) {
                        self.follow(due);
                    }
                }
                (_, Some(at)) => {
                    self.set_now(at);
                    self.change_something();
                }
                _ => break,
            }
        }
        self.set_now(then_ms);
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
        let Some((kind, integration, endpoint, index)) = wish else {
            return;
        };
        // What cannot happen now does not; another change comes soon.
        self.change(kind, &integration, endpoint.as_ref(), index)
            .unwrap_or_default();
    }

    /// Draws a change of one record, in an integration that can be read.
    fn draw(&self, roll: u64) -> Option<Wish> {
        let all = self.integrations().iter();
        let open = all.filter(|one| !one.is_refused());
        let open: Vec<_> = open.map(|one| (one, one.changing())).collect();
        // Assessments have no models: nothing would tell that their rows changed.
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
        // Where no record is left, one appears.
        let kind = if index.is_some() {
            kind
        } else {
            ChangeKind::Hire
        };
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
                let closed = integration.closed().into_iter().next();
                let (kind, listing) = if let Some(listing) = closed {
                    (ChangeKind::ScopeOn, listing)
                } else {
                    let nth = at(open.len(), mix(roll, 8));
                    (ChangeKind::ScopeOff, *open.get(nth)?)
                };
                let endpoint = listing.endpoint.name().clone();
                Some((kind, integration.id.clone(), Some(endpoint), None))
            }
        }
    }
}

/// What is to change, whose, where, and which record.
type Wish = (ChangeKind, IntegrationId, Option<EndpointName>, Option<u64>);
