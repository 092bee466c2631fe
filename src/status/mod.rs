//! How fresh each table is: what the lake says, with the notes of a running service beside it.

mod notes;

pub use notes::{IntegrationNote, Notes, TableNote};
