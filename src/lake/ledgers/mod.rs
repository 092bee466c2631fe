//! The lake's own small tables: integrations, holds, drift and how complete tables were.

pub(in crate::lake) mod completeness;
pub(in crate::lake) mod drift;
pub(in crate::lake) mod found_drift;
pub(in crate::lake) mod holds;
pub(crate) mod own_columns;
pub(in crate::lake) mod registry;

pub use completeness::{ComparedTable, Completeness};
pub use drift::DriftRow;
pub use found_drift::{DriftFilter, DriftGroup, FoundDrift};
pub use holds::Hold;
