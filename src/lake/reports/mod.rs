//! Reports about a lake: an overview of its tables, instants in the future, damage, and the cost of reading.
//!
//! Reports read the logs, list folders, read the ends of files, and change nothing. The logs own the truth; a report is never stored,
//! except the notes of the running service.

pub(in crate::lake) mod ahead;
pub(in crate::lake) mod damage;
pub(in crate::lake) mod lint;
pub(in crate::lake) mod overview;
pub(in crate::lake) mod service_notes;

pub use ahead::Ahead;
pub use damage::TableDamage;
pub use lint::{Finding, LintReport, LintSettings, Query, QueryCost, TableLint};
pub use overview::{Overview, TableOverview};
