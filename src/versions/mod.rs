//! Rules over plain values: which observation of a row is the newest, what full fetches found to be drift, and what the
//! guard holds.
//!
//! A fold reads all observations of a table's rows in the order of their ids. [`winner`] decides per row which
//! observation is the newest. [`guard`] explains what may remove rows; [`losses`], [`looks`] and [`day_losses`] are its
//! parts. [`judge`] finds rows that notifications missed and a full fetch showed, with the kinds and causes of
//! [`drift`]. [`trigger`] decides when a table is folded.
//!
//! The rules read no clock and do no I/O. Callers own the truth: the observations in the lake, and the guard's state in
//! the log of `current`.

pub mod day_losses;
pub mod drift;
pub mod guard;
pub mod judge;
pub mod looks;
pub mod losses;
pub mod trigger;
pub mod winner;
