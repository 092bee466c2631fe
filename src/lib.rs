//! From Kombo's API to Delta tables.

pub mod api;
pub mod catalog;
pub mod company;
pub mod fetch;
pub mod ids;
pub mod time;
pub mod twin;
