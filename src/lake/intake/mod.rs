//! How fetches come into the lake: staged, compared with what is known, and committed in groups.

pub(crate) mod committer;
pub(in crate::lake) mod comparison;
pub(in crate::lake) mod hash_search;
pub(in crate::lake) mod known_sources;
pub(in crate::lake) mod pending_fetch;
pub(in crate::lake) mod quarantine;
pub(in crate::lake) mod raise_bases;
pub(in crate::lake) mod runs;
pub(in crate::lake) mod sealed;
pub(in crate::lake) mod sighting;
pub(in crate::lake) mod staging;
pub(in crate::lake) mod stored_coverage;

pub use sealed::Sealed;
pub use sighting::Sighting;
pub use staging::Staging;
