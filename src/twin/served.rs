//! The state that each request to a served twin gets.

use std::path::PathBuf;
use std::time::Duration;

use super::clock::WorldClock;
use super::herald::Deliveries;
use crate::company::ChangeRate;

/// A served world and its settings.
#[derive(Clone, Debug)]
pub(super) struct Served {
    /// The world and its clock.
    pub(super) clock: WorldClock,
    /// Least time of every answer.
    pub(super) latency: Duration,
    /// Deliveries of the webhooks.
    pub(super) deliveries: Deliveries,
    /// The rate of changes from the settings.
    pub(super) pace: Option<ChangeRate>,
    /// The folder that the control may write to, from the settings.
    pub(super) truth: Option<PathBuf>,
}
