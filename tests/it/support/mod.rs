//! What several tests lean on.

pub(crate) mod memory_known;
pub(crate) mod memory_sink;
pub(crate) mod memory_world;
pub(crate) mod small_kombo;
