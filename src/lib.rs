#![doc = include_str!("../README.md")]

pub mod api;
pub mod catalog;
pub mod decode;
pub mod fetch;
pub mod ids;
pub mod ingest;
mod json;
pub mod plan;
pub mod sample;
pub mod setting;
pub mod sink;
pub mod stream;
pub mod time;
pub mod webhook;
#[cfg_attr(
    not(feature = "cli"),
    allow(dead_code, reason = "the program says most of it")
)]
mod words;

#[cfg(feature = "lake")]
pub mod backfill;
#[cfg(feature = "lake")]
pub mod chore;
#[cfg(feature = "lake")]
pub mod config;
#[cfg(feature = "lake")]
pub mod delta;
#[cfg(feature = "lake")]
pub mod lake;
#[cfg(feature = "lake")]
pub mod listener;
#[cfg(feature = "lake")]
pub mod metrics;
#[cfg(feature = "lake")]
pub mod service;
#[cfg(feature = "lake")]
pub mod status;
#[cfg(feature = "lake")]
pub mod versions;

#[cfg(feature = "twin")]
pub mod company;
#[cfg(feature = "twin")]
pub mod twin;

#[cfg(feature = "cli")]
pub mod cli;
