//! From Kombo's API to Delta tables.

pub mod api;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod fetch;
pub mod ids;
pub mod lake;
pub mod time;
