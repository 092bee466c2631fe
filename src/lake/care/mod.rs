//! What a lake needs that is written to for years: small files merged, rows that nothing needs let go, files that nothing
//! names deleted, logs cut short. How files are merged, rewritten and deleted is [`delta`](crate::delta)'s; here is which.
//!
//! [`upkeep`] goes through the tables, and [`retain`] lets old rows leave `deltas`. [`purge`] takes the rows of deleted
//! integrations out of every table, once [`leavers`] calls their time come. Both say with [`leaving`] which rows go.
//! [`repair`] is asked for by people alone: it brings tables back that lie in the future. What is old is told by the earlier
//! of two [`clocks`], what is in the future by the later.
//!
//! What is true now is the same before and after, for readers of every version within the grace. All of it may run beside
//! readers, other writers, another upkeep and fetches of up to a day, and may be stopped on any line.

mod clocks;
pub(in crate::lake) mod leavers;
mod leaving;
pub(in crate::lake) mod purge;
pub(in crate::lake) mod repair;
mod retain;
pub(in crate::lake) mod upkeep;
mod upkeep_report;
mod upkeep_settings;

pub use leavers::{PurgeDue, PurgeSettings};
pub use purge::{PurgeReport, TablePurge};
pub use repair::{Repair, RepairReport, RepairedTable};
pub use upkeep_report::{Left, TableUpkeep, UpkeepReport};
pub use upkeep_settings::UpkeepSettings;
