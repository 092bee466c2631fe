//! The twin: a stand-in for Kombo, for the demo, for tests, and for trials without a customer.
//!
//! The room `company` has the data and the contract; this room adds a clock and two ways to ask. [`Twin`] serves a world
//! over HTTP on loopback, with a clock that follows real time. [`TwinApi`] answers through the trait of the API client,
//! without a network and with a clock that the test moves. Both hold a [`SharedWorld`]. The [`herald`] signs the webhooks
//! of a served world and sends them to a [`WebhookTarget`]. [`control`] lets a test read and change a served world.
//! [`dump_truth`] writes the rows that a correct fetch brings, for tests to compare with.
//!
//! The twin listens and sends on loopback only, because it checks no more than a fixed key.

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
