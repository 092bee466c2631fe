//! The companies of the twin, and the API in front of them, as a state machine with a clock of its own.
//!
//! A [`World`] is everything behind one API key. It is asked with a [`TwinRequest`] and answers with a [`TwinAnswer`];
//! nothing here reads a clock, waits, or does I/O, so a test decides what time it is, and the same seed gives the same
//! bytes everywhere. `twin` serves it.
//!
//! Records are not stored. [`blueprint`] compiles, once per category, the schemas into shapes ([`compiler`], by the
//! meanings of [`recipe`]) and the relations into arithmetic ([`ties`]); [`customer`] computes from a seed who belongs to whom, what is deleted and when anything changed;
//! [`render`] writes a record's JSON when a page asks for it. A nested copy is written from the same record as the row
//! it copies, so the two agree. Only records changed later take memory.
//!
//! A world stands still until something is changed by hand ([`World::change`]) or it is told to live ([`World::live`]):
//! then records are hired, edited, renamed and deleted as its clock moves ([`living`]). [`changes`] writes each into the
//! [`journal`] and into the [`pending_webhooks`], which become webhooks; what follows from it later waits in [`life`].
//!
//! Where the API is not documented: an unknown query parameter is refused; a filter on an unknown id finds nothing; a
//! row that turns null 14 days after its deletion is not returned for that by `updated_after`.

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
