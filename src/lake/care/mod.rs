//! Keeps up a lake that is written to for years: merges small files, removes rows that are no longer needed, deletes
//! unreferenced files, and shortens logs. [`delta`](crate::delta) merges, rewrites and deletes files; this room decides
//! which.
//!
//! [`upkeep`] goes through the tables, and [`retain`] removes old rows from `deltas`. [`purge`] removes the rows of
//! deleted integrations from every table once [`leavers`] finds them due, and [`forget`] makes earlier versions unreadable
//! where the operator wants that at once. Both select rows with [`leaving`]. [`repair`] runs only on an operator's request:
//! it repairs damage, and moves instants in the future back to the present. Of two [`clocks`], the
//! earlier one decides what is old, and the later one what is in the future.
//!
//! Upkeep never changes the present state for a reader of any version within the grace. All of this may run beside
//! readers, other writers, another upkeep and fetches of up to a day. It may be stopped on any line.

mod clocks;
mod forget;
pub(in crate::lake) mod leavers;
mod leaving;
pub(in crate::lake) mod purge;
pub(in crate::lake) mod repair;
mod repair_copies;
mod retain;
pub(in crate::lake) mod upkeep;
mod upkeep_report;
mod upkeep_settings;

pub use leavers::{PurgeDue, PurgeSettings};
pub use purge::{PurgeDepth, PurgeReport, TablePurge};
pub use repair::{MendedTable, Repair, RepairReport, RepairSettings, RepairedTable};
pub use upkeep_report::{Left, TableUpkeep, UpkeepReport};
pub use upkeep_settings::UpkeepSettings;
