//! What the lake tells of itself: its tables, what lies ahead of the clock, and what reading it costs.

pub(in crate::lake) mod ahead;
pub(in crate::lake) mod lint;
pub(in crate::lake) mod overview;
pub(in crate::lake) mod service_notes;

pub use ahead::Ahead;
pub use lint::{Finding, LintReport, LintSettings, Query, QueryCost, TableLint};
pub use overview::{Overview, TableOverview};
