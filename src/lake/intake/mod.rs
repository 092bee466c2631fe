//! How fetches come into the lake: staged, compared with what is known, and committed in groups.

pub(crate) mod committer;
pub(in crate::lake) mod comparison;
pub(in crate::lake) mod coverage;
pub(in crate::lake) mod group;
pub(in crate::lake) mod known;
pub(in crate::lake) mod marks;
pub(in crate::lake) mod missing;
pub(in crate::lake) mod newest;
pub(in crate::lake) mod newest_hashes;
pub(in crate::lake) mod quarantine;
pub(in crate::lake) mod runs;
pub(in crate::lake) mod sealed;
pub(in crate::lake) mod staging;

pub use coverage::Coverage;
pub use group::Receipt;
pub use marks::{Advance, Marks};
pub use missing::{Missing, MissingId};
pub use newest::Sighting;
pub use newest_hashes::{BroughtRows, NewestHashes};
pub use sealed::Sealed;
pub use staging::Staging;
