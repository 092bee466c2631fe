//! Which observation of a row stands, what full fetches found, and what is held back: rules over plain values.
//!
//! A fold goes through all observations of a table's rows in the order of their ids. [`winner`] says for each row which
//! observation stands, [`losses`] counts what would be gone and how much of it is held, in the words of [`guard`];
//! [`judge`] tells what a full fetch found that notifications had missed, in the words of [`drift`]. [`trigger`] says when
//! a table is folded.

pub mod drift;
pub mod guard;
pub mod judge;
pub mod losses;
pub mod trigger;
pub mod winner;
