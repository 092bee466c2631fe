//! A reload: other rules, with what the registry says of the integrations that are fetched from now on.

use std::time::Duration;

use super::{Dispatch, Holding, Rules};
use crate::ids::TableId;
use crate::sink::Registration;
use crate::time::Moment;

impl Dispatch {
    /// Replaces the rules while the service runs. `registered` is the registry as it is now, because the dispatcher has
    /// forgotten the integrations that the rules left out until now.
    ///
    /// Integrations that the rules no longer name are forgotten. Their rows stay, and a fetch of them that runs ends.
    pub(in crate::service) fn reload<H: Into<Holding>>(
        &mut self,
        rules: Rules,
        registered: &[Registration],
        covered: impl Fn(&TableId) -> H,
        now: Moment,
    ) {
        self.rules = rules;
        self.registered(registered, covered, now);
        // `status` and the gauges show the new set at once.
        self.time_notes(Duration::ZERO, now);
    }
}
