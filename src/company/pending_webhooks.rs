//! What Kombo would tell by webhook: merged per integration, so that a flood of changes is one message.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use serde_json::json;

use super::account::{self, Event};
use super::hash::{mix, percent, salt};
use super::identity::loose_id;
use super::integration::Integration;
use crate::ids::IntegrationId;
use crate::time::Moment;

/// Messages about integrations that nobody asks for are forgotten beyond so many, the oldest first.
const MOST_EVENTS: usize = 10_000;

/// One webhook, unsigned.
#[derive(Clone, PartialEq, Eq)]
pub struct TwinWebhook {
    /// Unique in its world.
    pub id: String,
    /// `data-changed`, `integration-created`, `integration-state-changed` or `integration-deleted`.
    pub kind: &'static str,
    /// Whom it is about.
    pub integration: IntegrationId,
    /// The models it names.
    pub models: Vec<String>,
    /// The world's time when it was written.
    pub at: Moment,
    /// The bytes to sign and send.
    pub body: String,
    roll: u64,
}

impl TwinWebhook {
    /// Returns whether this one is lost where so many percent are. The same seed loses the same ones.
    #[must_use]
    pub fn is_lost(&self, percentage: u8) -> bool {
        percent(u64::from(percentage), self.roll)
    }
}

impl fmt::Debug for TwinWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id, body, .. } = self;
        write!(f, "TwinWebhook({kind} {id}, {} bytes)", body.len())
    }
}

/// What is yet to be told.
#[derive(Debug, Default)]
pub(super) struct PendingWebhooks {
    changed: BTreeMap<IntegrationId, ChangedModels>,
    events: VecDeque<TwinWebhook>,
    written: u64,
}

#[derive(Debug, Default)]
struct ChangedModels {
    models: BTreeSet<String>,
    told: Option<Moment>,
}

impl PendingWebhooks {
    /// Notes that rows of models changed.
    pub(super) fn changed(&mut self, integration: &IntegrationId, models: &[String]) {
        if models.is_empty() {
            return;
        }
        let changed = self.changed.entry(integration.clone()).or_default();
        changed.models.extend(models.iter().cloned());
    }

    /// Notes what happened to an integration, as it is now.
    pub(super) fn happened(&mut self, event: Event, of: &Integration, seed: u64, now: Moment) {
        if event == Event::Deleted {
            self.changed.remove(&of.id);
        }
        let kind = match event {
            Event::Created => "integration-created",
            Event::StateChanged => "integration-state-changed",
            Event::Deleted => "integration-deleted",
        };
        let data = account::event(of, event, now);
        let webhook = self.webhook(kind, &of.id, Vec::new(), &data, seed, now);
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(webhook);
    }

    /// Takes what is due: all about integrations, and what changed where nothing was told for a while. The first
    /// change after a quiet time is told at once, those after it together.
    pub(super) fn take(&mut self, pause: Duration, seed: u64, now: Moment) -> Vec<TwinWebhook> {
        let mut due: Vec<_> = self.events.drain(..).collect();
        let mut changed = std::mem::take(&mut self.changed);
        for (id, changed) in &mut changed {
            let is_due = changed.told.is_none_or(|told| now.since(told) >= pause);
            if changed.models.is_empty() || !is_due {
                continue;
            }
            changed.told = Some(now);
            let models: Vec<_> = std::mem::take(&mut changed.models).into_iter().collect();
            let names: Vec<_> = models.iter().map(|name| json!({"name": name})).collect();
            let category = models[0].split_once('_').map_or("", |(one, _)| one);
            let data = json!({
                "integration_id": id.as_str(),
                "integration_tool": id.tool(),
                "integration_category": category.to_uppercase(),
                "changed_models": names,
            });
            due.push(self.webhook("data-changed", id, models, &data, seed, now));
        }
        self.changed = changed;
        due
    }

    fn webhook(
        &mut self,
        kind: &'static str,
        integration: &IntegrationId,
        models: Vec<String>,
        data: &serde_json::Value,
        seed: u64,
        at: Moment,
    ) -> TwinWebhook {
        self.written += 1;
        let roll = mix(mix(seed, salt("webhook")), self.written);
        let id = loose_id(roll);
        TwinWebhook {
            body: json!({"id": id, "type": kind, "data": data}).to_string(),
            id,
            kind,
            integration: integration.clone(),
            models,
            at,
            roll: mix(roll, 1),
        }
    }
}
