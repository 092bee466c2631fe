//! The twin: a stand-in for Kombo, for the demo, for tests, and for trying things without a customer.
//!
//! `company` has the data and the contract; this room gives it a clock and a door. [`Twin`] serves a world over HTTP on
//! loopback, its clock driven by real time. [`TwinApi`] answers through the trait of the API client, without a network
//! and with a clock that the test moves. Both hold a [`SharedWorld`]. A served world can live: then the [`herald`] signs its
//! webhooks and sends them to a [`WebhookTarget`], and [`control`] lets a test look and meddle. [`dump_truth`] writes what a right fetch brings, for tests to compare with.

mod api;
mod clock;
mod control;
mod herald;
mod serve;
mod served;
mod settings;
mod shared_world;
mod target;
mod truth;

#[cfg(test)]
mod tests;

pub use api::TwinApi;
pub use herald::{Deliveries, Delivery, Fate};
pub use serve::Twin;
pub use settings::{HeraldSettings, TwinSettings};
pub use shared_world::SharedWorld;
pub use target::{TargetError, WebhookTarget};
pub use truth::{dump_truth, dump_world};
