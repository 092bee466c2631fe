//! What a served twin has at hand for each request.

use std::time::Duration;

use super::clock::WorldClock;
use super::herald::Deliveries;
use crate::company::ChangeRate;

/// A world behind a door.
#[derive(Clone, Debug)]
pub(super) struct Served {
    /// The world, and what it follows.
    pub(super) clock: WorldClock,
    /// How long every answer takes at least.
    pub(super) latency: Duration,
    /// What became of its webhooks.
    pub(super) deliveries: Deliveries,
    /// The pace it was started with.
    pub(super) pace: Option<ChangeRate>,
}
