//! The companies of the twin, and the API in front of them, as a state machine with a clock of its own.
//!
//! A [`World`] is everything behind one API key. It is asked with a [`TwinRequest`] and answers with a [`TwinAnswer`];
//! nothing here reads a clock, waits, or does I/O, so a test decides what time it is, and the same seed gives the same
//! bytes everywhere. `twin` serves it.
//!
//! Records are not stored. [`blueprint`] compiles, once per category, the schemas into shapes and the relations into
//! arithmetic; [`customer`] computes from a seed who belongs to whom, what is deleted and when anything changed;
//! [`render`] writes a record's JSON when a page asks for it. A nested copy is written from the same record as the row
//! it copies, so the two agree. Only records changed later take memory.
//!
//! Where the API is not documented: an unknown query parameter is refused; a filter on an unknown id finds nothing; a
//! row that turns null 14 days after its deletion is not returned for that by `updated_after`.

mod account;
mod blueprint;
mod customer;
mod hash;
mod identity;
mod listing;
mod recipe;
mod refusal;
mod relation;
mod render;
mod request;
mod settings;
mod shape;
mod text;
mod value;
mod window;
mod words;
mod world;

#[cfg(test)]
mod tests;

pub use account::Description;
pub use refusal::Refusal;
pub use request::{TwinAnswer, TwinRequest};
pub use settings::{Oddities, RateLimit, WorldSettings};
pub use world::{Integration, World};
