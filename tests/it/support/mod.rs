//! Code that several tests share.

pub(crate) mod memory_known;
pub(crate) mod memory_sink;
pub(crate) mod memory_world;
pub(crate) mod small_kombo;
