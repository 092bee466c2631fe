//! The state of each change of the live demo. Nothing here reads a clock: callers pass the time since the start.

use std::time::Duration;

use super::lines::{StoryLine, Totals};
use super::watched::{LakeStep, WalkCount};
use crate::company::Change;
use crate::ids::TableId;
use crate::lake::{Part, Sighting};
use crate::time::format_timestamp;
use crate::twin::{Delivery, Fate};
use crate::words::{count, counted};

/// A change, and the time since the start at which each step was done.
#[derive(Clone, Debug)]
pub(super) struct TrackedChange {
    pub(super) change: Change,
    pub(super) at: Duration,
    webhook: Option<Duration>,
    committed: Option<Duration>,
    visible: Option<Duration>,
}

/// All changes so far, and their webhooks.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    changes: Vec<TrackedChange>,
    webhooks: u64,
    everything: u64,
}

impl TrackedChange {
    /// Returns the table and the id of the changed row; `None` where more than one row changed.
    pub(super) fn row(&self) -> Option<(TableId, &str)> {
        let table = TableId {
            integration: self.change.integration.clone(),
            endpoint: self.change.endpoint.clone()?,
        };
        Some((table, self.change.record.as_deref()?))
    }

    fn is_in(&self, table: &TableId) -> bool {
        self.change.integration == table.integration
            && self.change.endpoint.as_ref() == Some(&table.endpoint)
    }
}

impl Story {
    /// Returns whether every change has been read back.
    pub(super) fn is_told(&self) -> bool {
        self.changes.iter().all(|told| told.visible.is_some())
    }

    /// Returns the changes whose rows were read back, the oldest first.
    pub(super) fn visible(&self) -> impl Iterator<Item = &TrackedChange> + Clone {
        self.changes.iter().filter(|told| told.visible.is_some())
    }

    /// Returns the latest change whose row was read back.
    pub(super) fn last_visible(&self) -> Option<&TrackedChange> {
        let mut backwards = self.changes.iter().rev();
        backwards.find(|told| told.visible.is_some())
    }

    /// Notes a changed row at the twin, and how many other rows changed with it. Returns the line to show.
    pub(super) fn changed(&mut self, change: Change, others: usize, at: Duration) -> StoryLine {
        let kind = change.kind.as_str();
        let endpoint = change.endpoint.as_ref().map_or("", |name| name.as_str());
        let others = match others {
            0 => String::new(),
            _ => format!(", {} with it", counted(others as u64, "row")),
        };
        let whose = change.integration.tool();
        let detail = format!("{kind} in {endpoint} of {whose}{others}");
        self.changes.push(TrackedChange {
            change,
            at,
            webhook: None,
            committed: None,
            visible: None,
        });
        StoryLine {
            at,
            after: None,
            what: "change",
            detail,
        }
    }

    /// Notes the delivery of a webhook of an integration with so many endpoints. Returns the line to show.
    pub(super) fn delivered(
        &mut self,
        delivery: &Delivery,
        endpoints: u64,
        at: Duration,
    ) -> StoryLine {
        let answered = matches!(delivery.fate, Fate::Answered(200..300));
        if answered {
            self.webhooks += 1;
            self.everything += endpoints;
        }
        for told in &mut self.changes {
            let change = &told.change;
            let mut models = change.models.iter();
            let concerns = change.integration.as_str() == delivery.integration
                && change.at <= delivery.at
                && models.any(|model| delivery.models.contains(model));
            if concerns && answered && told.webhook.is_none() {
                told.webhook = Some(at);
            }
        }
        let fate = match &delivery.fate {
            Fate::Answered(status) => format!("answered {status}"),
            Fate::Unanswered(reason) => format!("not answered: {reason}"),
            Fate::Lost => "lost".to_owned(),
        };
        let about = match delivery.kind {
            "data-changed" => delivery.models.join(", "),
            kind => kind.to_owned(),
        };
        let is_of = |told: &TrackedChange| told.change.integration.as_str() == delivery.integration;
        StoryLine {
            at,
            after: self.since(at, is_of),
            what: "webhook",
            detail: format!("{about}: {fate}"),
        }
    }

    /// Notes a fetch or a commit. Returns the line to show.
    pub(super) fn step(&mut self, table: &TableId, step: &LakeStep, at: Duration) -> StoryLine {
        let after = self.since(at, |told| told.change.integration == table.integration);
        let (what, detail) = match step {
            LakeStep::Fetched(walk) => ("fetched", fetched(table, *walk)),
            LakeStep::Committed {
                part,
                version,
                rows,
            } => {
                for told in &mut self.changes {
                    if told.is_in(table) && told.visible.is_none() {
                        told.committed = Some(at);
                    }
                }
                let (name, rows) = (table.endpoint.table_name(), counted(*rows, "row"));
                let part = folder(*part);
                let detail = format!("{name}/{part} v{version}, {rows}");
                ("committed", detail)
            }
        };
        StoryLine {
            at,
            after,
            what,
            detail,
        }
    }

    /// Returns the places of the changes in a table whose rows were not read back yet.
    pub(super) fn awaited(&self, table: &TableId) -> Vec<usize> {
        let all = self.changes.iter().enumerate();
        let open = all.filter(|(_, told)| told.is_in(table) && told.visible.is_none());
        open.map(|(place, _)| place).collect()
    }

    /// Returns the change at a place.
    pub(super) fn told(&self, place: usize) -> Option<&TrackedChange> {
        self.changes.get(place)
    }

    /// Notes that a row was read back. Returns no line while the row is older than the change.
    pub(super) fn sighted(
        &mut self,
        place: usize,
        sighting: &Sighting,
        at: Duration,
    ) -> Option<StoryLine> {
        let told = self.changes.get_mut(place)?;
        let changed_at_us = sighting.changed_at_us?;
        if changed_at_us < told.change.at.as_millis().saturating_mul(1_000) {
            return None;
        }
        told.visible = Some(at);
        let is_deleted = sighting.is_deleted;
        let op = if is_deleted { "delete" } else { "upsert" };
        let changed_at = format_timestamp(changed_at_us);
        Some(StoryLine {
            at,
            after: Some(at.saturating_sub(told.at)),
            what: "row visible",
            detail: format!("{op}, changed_at {changed_at}"),
        })
    }

    /// Returns the totals. `requests` is the number of requests since the first change.
    pub(super) fn totals(&self, requests: u64) -> Totals {
        let took = |done: fn(&TrackedChange) -> Option<Duration>| -> Vec<Duration> {
            let took = |told: &TrackedChange| Some(done(told)?.saturating_sub(told.at));
            self.changes.iter().filter_map(took).collect()
        };
        Totals {
            changes: self.changes.len() as u64,
            webhooks: self.webhooks,
            requests,
            everything: self.everything,
            webhook: took(|told| told.webhook),
            committed: took(|told| told.committed.filter(|_| told.visible.is_some())),
            visible: took(|told| told.visible),
        }
    }

    /// Returns the time since the latest change that may be the cause.
    fn since(&self, at: Duration, causes: impl Fn(&TrackedChange) -> bool) -> Option<Duration> {
        let cause = self.changes.iter().rev().find(|told| causes(told))?;
        Some(at.saturating_sub(cause.at))
    }
}

fn fetched(table: &TableId, walk: WalkCount) -> String {
    let (pages, rows) = (counted(walk.pages, "page"), counted(walk.rows, "row"));
    let new = count(walk.new);
    format!("{}: {pages}, {rows}, {new} new", table.endpoint)
}

fn folder(part: Part) -> &'static str {
    match part {
        Part::Snapshots => "snapshots",
        Part::Deltas => "deltas",
        Part::Current => "current",
    }
}
