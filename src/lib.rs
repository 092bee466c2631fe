#![doc = include_str!("../README.md")]

pub mod api;
pub mod backfill;
pub mod catalog;
pub mod chore;
pub mod cli;
pub mod company;
pub mod config;
pub mod decode;
pub mod delta;
pub mod fetch;
pub mod ids;
pub mod ingest;
mod json;
pub mod lake;
pub mod listener;
pub mod metrics;
pub mod plan;
pub mod sample;
pub mod service;
pub mod sink;
pub mod status;
pub mod stream;
pub mod time;
pub mod twin;
pub mod versions;
pub mod webhook;
mod words;
