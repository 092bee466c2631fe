//! The made-up companies of the twin, and the API in front of them, as a state machine with a clock of its own.
//!
//! A [`World`] is everything behind one API key: it takes a [`TwinRequest`] and returns a [`TwinAnswer`]. Nothing in this
//! room reads a clock, waits, or does I/O. A test therefore decides what time it is, and the same seed and start give the
//! same bytes on every machine. The room `twin` serves a world.
//!
//! Records are not stored. [`blueprint`] compiles the schemas into shapes ([`compiler`], with the meanings of [`recipe`])
//! and the relations into arithmetic ([`ties`]), once per category. [`customer`] computes from a seed which record belongs
//! to which, and which records are deleted; [`lifespan`] computes when a record was made and last changed; [`decision`]
//! chooses the value of an enum so that it fits the age of the record and the records around it. [`render`] writes the
//! JSON of a record when a page asks for it. A nested copy is written from the same record as the row that it copies, so
//! the two agree. Only records that changed after the start take memory ([`history`]).
//!
//! A world stands still until a caller changes something ([`World::change`]) or lets it live ([`World::live`]). A living
//! world hires, edits, renames and deletes records as its clock moves ([`living`]). [`changes`] writes each change into
//! the [`journal`] and into the [`pending_webhooks`]. What follows from a change later waits in [`life`].
//!
//! Kombo's documentation leaves three cases open. Here an unknown query parameter is refused, a filter on an unknown id
//! finds nothing, and `updated_after` does not return a row for having turned null 14 days after its deletion.

mod account;
mod blueprint;
mod calendar;
mod changes;
mod choice;
mod compiler;
mod customer;
mod decision;
mod hash;
mod history;
mod identity;
mod integration;
mod journal;
mod life;
mod lifespan;
mod likelihood;
mod listing;
mod living;
mod pending_webhooks;
mod plain;
mod recipe;
mod refusal;
mod relation;
mod render;
mod request;
mod request_window;
mod requests;
mod settings;
mod shape;
mod targets;
mod text;
mod ties;
mod town;
mod value;
mod words;
mod world;

#[cfg(test)]
mod tests;

pub use account::Description;
pub use changes::ChangeError;
pub use integration::Integration;
pub use journal::{Change, ChangeKind};
pub use life::ChangeRate;
pub use pending_webhooks::TwinWebhook;
pub use refusal::Refusal;
pub use request::{TwinAnswer, TwinRequest};
pub use requests::Requests;
pub use settings::{Oddities, RateLimit, WorldSettings};
pub use world::World;
