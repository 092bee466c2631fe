//! Which observation of a row stands, what full fetches found, and what is held back: rules over plain values.
//!
//! A fold goes through all observations of a table's rows in the order of their ids. [`winner`] says for each row which
//! observation stands. What may take rows away has its page in [`guard`], with [`losses`], [`looks`] and [`day_losses`] as
//! its parts. [`judge`] tells what a full fetch found that notifications had missed, in the words of [`drift`]. [`trigger`]
//! says when a table is folded.

pub mod day_losses;
pub mod drift;
pub mod guard;
pub mod judge;
pub mod looks;
pub mod losses;
pub mod trigger;
pub mod winner;
