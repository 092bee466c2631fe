//! Which observation of a row stands, what full fetches found, and what is held back: rules over plain values.
//!
//! [`drift`] names what a full fetch found that notifications had missed, and why; [`guard`] what is held back, and why.

pub mod drift;
pub mod guard;
