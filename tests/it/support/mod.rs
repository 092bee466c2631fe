//! What several tests lean on.

pub(crate) mod memory_sink;
