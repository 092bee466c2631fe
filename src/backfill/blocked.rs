//! What is certain to fail, so that it is not asked again and again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::outcome::with_causes;
use crate::api::{ApiError, ErrorReach};
use crate::ids::IntegrationId;

/// The keys and integrations that a request has failed for in a way that reaches all others.
#[derive(Debug, Default)]
pub(super) struct Blocked(Mutex<Reasons>);

#[derive(Debug, Default)]
struct Reasons {
    all: Option<String>,
    integrations: HashMap<IntegrationId, String>,
}

impl Blocked {
    /// Takes in an error of one table.
    pub(super) fn learn(&self, integration: &IntegrationId, error: &ApiError) {
        match error.reach() {
            ErrorReach::Key => self.reasons().all = Some(with_causes(error)),
            ErrorReach::Integration => {
                let integrations = &mut self.reasons().integrations;
                integrations.insert(integration.clone(), with_causes(error));
            }
            ErrorReach::Request | ErrorReach::Table => {}
        }
    }

    /// Returns why a table of the integration would fail.
    pub(super) fn reason(&self, integration: &IntegrationId) -> Option<String> {
        let reasons = self.reasons();
        let own = reasons.integrations.get(integration);
        reasons.all.as_ref().or(own).cloned()
    }

    fn reasons(&self) -> MutexGuard<'_, Reasons> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
