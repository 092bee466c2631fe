//! Rules that decide what is fetched, when, and why. All rules work on plain values.
//!
//! A notification is not a work item. A notification marks each possibly affected table as dirty ([`DirtyBits`]). The
//! [`Planner`] works out from the catalog which tables are affected, and gives a reason for each request that is made
//! or saved. [`Schedule`] adds the fetches that no notification asks for: heartbeats and full fetches, spread over time
//! by a hash. [`Queue`] holds every wanted table once and decides which table is next.
//!
//! Other rules stand around these. [`Standing`] and [`ModelOff`] say what is parked and when to ask again. [`Deletion`]
//! says when an integration that Kombo does not find counts as deleted. [`Rhythm`] says whether an integration's
//! webhooks still arrive. [`Share`] bounds the questions that strangers can cause. An [`Agenda`] holds all instants at which something is due.
//! [`Tenure`] and [`LeaseWatch`] say which of several services on one lake may send.
//!
//! Nothing here may read a clock, wait or send. Instants are parameters, and results are return values. So a crash has
//! nothing to save, and tests can compare every rule with a simpler one. Kombo's answers and the lake own the truth;
//! this room only decides.

mod agenda;
mod announced;
mod causes;
mod deletion;
mod dirty;
mod lease;
mod mode;
mod model_off;
mod queue;
mod rhythm;
mod schedule;
mod share;
mod standing;

pub use agenda::Agenda;
pub use announced::Announced;
pub use causes::{Action, Cause, Plan, PlanStep, Planner};
pub use deletion::{Begun, ConfirmedGone, Deletion, Doubt, NotFound, Others};
pub use dirty::{Captured, DirtyBits};
pub use lease::{LeasePut, LeaseSign, LeaseTerms, LeaseWatch, Renewal, Tenure, WatchStep};
pub use mode::PlanMode;
pub use model_off::ModelOff;
pub use queue::{Kind, Queue, Work};
pub use rhythm::{
    ANNOUNCED_WITHIN, Rhythm, SILENCE_AT_LEAST, SILENCE_WHILE_LEARNING, Suspicion,
    suspicious_period,
};
pub use schedule::{
    SNAPSHOT_INSTEAD_EVERY, Schedule, heartbeat_period, next_daily, next_heartbeat,
    next_snapshot_instead,
};
pub use share::Share;
pub use standing::Standing;
