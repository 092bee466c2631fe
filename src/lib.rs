//! From Kombo's API to Delta tables.

pub mod api;
pub mod backfill;
pub mod catalog;
pub mod company;
pub mod decode;
pub mod fetch;
pub mod ids;
pub mod lake;
pub mod sink;
pub mod stream;
pub mod time;
pub mod twin;
