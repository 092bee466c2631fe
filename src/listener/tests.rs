//! Tests of the listener from outside, over loopback. Limits are small, and tests wait only for answers and for the end
//! of connections.

mod bodies;
mod crowds;
mod encrypted;
mod ends;
mod floods;
mod signatures;
mod slow;
mod support;
mod telemetry;
