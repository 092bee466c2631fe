//! Kombo's webhooks: signed, and sometimes lost, late, doubled, or untrue.

use std::time::Duration;

use kombo_source::listener::Intake;
use kombo_source::webhook::{Signature, WebhookSecret, parse};
use serde_json::json;
use tokio::time::timeout;

use crate::clocks::shown;
use crate::events::Event;
use crate::faults::Fault;
use crate::process::{SECRET, verifier};
use crate::truth::ENDPOINTS;
use crate::world::World;

impl World {
    pub(crate) fn announce(&mut self, customer: usize, model: usize) {
        if self.fails(Fault::WebhookLost, 200) {
            return;
        }
        let deliver = Event::Deliver {
            customer,
            model,
            tries: 0,
        };
        let soon = if self.fails(Fault::WebhookLate, 100) {
            self.dice
                .time(Duration::from_mins(10)..Duration::from_hours(9))
        } else {
            self.dice
                .time(Duration::from_millis(200)..Duration::from_secs(20))
        };
        if self.fails(Fault::WebhookTwice, 200) {
            let late = self
                .dice
                .time(Duration::from_millis(1)..Duration::from_hours(3));
            self.plan_in(soon + late, deliver);
        }
        self.plan_in(soon, deliver);
    }

    pub(crate) fn fails(&mut self, fault: Fault, per_mille: u32) -> bool {
        let fails = self.plan.faults.has(fault) && self.dice.per_mille(per_mille);
        if fails {
            self.story.count(fault.label());
        }
        fails
    }

    pub(crate) fn deliver(&mut self, customer: usize, model: usize, tries: u32) {
        let (id, category) = {
            let customers = self.truth.lock();
            (customers[customer].id.clone(), customers[customer].category)
        };
        let body = json!({
            "id": format!("event-{}", self.number), "type": "data-changed",
            "data": {
                "integration_id": id, "integration_category": category,
                "integration_tool": id.split(':').next(),
                "changed_models": [{"name": ENDPOINTS[model].model}],
            },
        });
        let again = (tries < 5).then_some(Event::Deliver {
            customer,
            model,
            tries: tries + 1,
        });
        let prompt = self.plan.faults.are_gentle().then_some((customer, model));
        self.post(&body.to_string(), again, prompt);
    }

    /// Sends Kombo's own word that an integration is deleted, which it is not.
    pub(crate) fn forge(&mut self) {
        let customer = self.some_customer();
        let (id, category) = {
            let customers = self.truth.lock();
            (customers[customer].id.clone(), customers[customer].category)
        };
        self.story.tell(Fault::WebhookForged.label(), &id);
        let body = json!({
            "id": format!("event-{}", self.number), "type": "integration-deleted",
            "data": {
                "id": id, "tool": id.split(':').next(), "category": category,
                "end_user": {"organization_name": "A customer"},
                "deleted_at": shown(self.clocks.true_now()),
            },
        });
        self.post(&body.to_string(), None, None);
        self.again(Event::Forge { customer });
    }

    /// Sends a signed webhook to one of the machines. What is not taken may be sent again.
    pub(crate) fn post(
        &mut self,
        body: &str,
        again: Option<Event>,
        prompt: Option<(usize, usize)>,
    ) {
        let nth = self.dice.place(self.mailboxes.len());
        let door = self.entrance(nth);
        let signature = WebhookSecret::new(SECRET)
            .expect("a secret")
            .sign(body.as_bytes());
        let signature = Signature::parse(&signature).expect("a signature");
        let proof = verifier();
        let body = proof.verify(body.as_bytes(), &signature);
        let webhook = parse(body.expect("signed")).expect("a webhook");
        let (story, clocks) = (self.story.clone(), self.clocks.clone());
        let Some(door) = door else {
            story.tell("webhook", format_args!("no answer of machine {nth}"));
            self.delivering.spawn(std::future::ready(again));
            return;
        };
        self.delivering.spawn(async move {
            let taken = timeout(Duration::from_secs(10), door.take(webhook)).await;
            let is_taken = matches!(taken, Ok(Ok(())));
            story.tell(
                "webhook",
                format_args!(
                    "machine {nth} {}",
                    if is_taken {
                        "took it"
                    } else {
                        "did not take it"
                    }
                ),
            );
            if !is_taken {
                return again;
            }
            let taken_ms = clocks.true_now();
            prompt.map(|(customer, model)| Event::Prompt {
                customer,
                model,
                taken_ms,
            })
        });
    }
}
