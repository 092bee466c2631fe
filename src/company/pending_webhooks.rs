//! Webhooks that are due, merged per integration, so that a flood of changes becomes one webhook.

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

/// Most pending webhooks about integrations. The oldest are dropped beyond it.
const MOST_EVENTS: usize = 10_000;

/// One webhook, unsigned.
#[derive(Clone, PartialEq, Eq)]
pub struct TwinWebhook {
    /// Unique in its world.
    pub id: String,
    /// `data-changed`, `integration-created`, `integration-state-changed` or `integration-deleted`.
    pub kind: &'static str,
    /// The integration that the webhook is about.
    pub integration: IntegrationId,
    /// The changed models that the webhook names.
    pub models: Vec<String>,
    /// Time of the world when the webhook was written.
    pub at: Moment,
    /// The bytes to sign and send.
    pub body: String,
    roll: u64,
}

impl TwinWebhook {
    /// Returns whether the webhook is lost when so many percent are lost. The same seed loses the same webhooks.
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

/// Webhooks that were not taken yet.
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

    /// Notes an event of an integration, with the present state of the integration.
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

    /// Takes the webhooks that are due: all webhooks about integrations, and the changed models of each integration that
    /// had no webhook during the pause. The first change after a quiet time is due at once, later ones together.
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
