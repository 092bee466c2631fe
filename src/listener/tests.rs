//! The listener from outside, over loopback. Limits are small here, and nothing is waited for but answers and ends.

mod bodies;
mod crowds;
mod encrypted;
mod ends;
mod signatures;
mod slow;
mod support;
mod telemetry;
