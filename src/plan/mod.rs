//! What is fetched, when, and why: rules over plain values.
//!
//! A notification is no work item. It sets a bit per table it may concern ([`DirtyBits`]); which those are, and what the
//! others are spared, is worked out from the catalog by the [`Planner`], reason by reason. [`Schedule`] adds what nobody
//! announces: heartbeats and full fetches, spread by hash. [`Queue`] holds what all of them asked for, once per table,
//! and says which is next.
//!
//! Around that: [`Standing`] and [`ModelOff`] say what is not fetched for now and when to look again, [`Deletion`] when an
//! integration that Kombo does not find counts as deleted, [`Rhythm`] whether
//! an integration's webhooks still come, and an [`Agenda`] holds all those instants.
//!
//! Nothing here reads a clock, waits or sends: instants come in as arguments, answers go out as values. So a crash has
//! nothing to save, and every rule can be held against a simpler one in a test.

mod agenda;
mod announced;
mod causes;
mod deletion;
mod dirty;
mod mode;
mod model_off;
mod queue;
mod rhythm;
mod schedule;
mod standing;

pub use agenda::Agenda;
pub use announced::Announced;
pub use causes::{Action, Cause, Plan, PlanStep, Planner};
pub use deletion::{Begun, ConfirmedGone, Deletion, Doubt, NotFound, Others};
pub use dirty::{Captured, DirtyBits};
pub use mode::PlanMode;
pub use model_off::ModelOff;
pub use queue::{Kind, Queue, Work};
pub use rhythm::{
    ANNOUNCED_WITHIN, Rhythm, SILENCE_AT_LEAST, SILENCE_WHILE_LEARNING, Suspicion,
    suspicious_period,
};
pub use schedule::{
    SNAPSHOT_INSTEAD_EVERY, Schedule, heartbeat_period, next_heartbeat, next_snapshot_instead,
};
pub use standing::Standing;
