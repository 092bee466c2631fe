//! The verbs that need only a lake.

use clap::Subcommand;

use super::{
    AcceptArgs, CoverageArgs, DriftArgs, FilesArgs, FoldArgs, LintArgs, PurgeArgs, RepairArgs,
    SqlArgs, StatusArgs, UpkeepArgs,
};
use crate::config::Overrides;

/// A verb that needs only a lake.
#[derive(Clone, Debug, Subcommand)]
pub enum LakeVerb {
    /// List the live Parquet files of tables, for tools that do not read Delta
    Files(FilesArgs),
    /// Print SQL views of the lake for nine engines: current, as of a time, changes, leavers
    Sql(SqlArgs),
    /// Show how fresh each table is, and which tables are late
    Status(StatusArgs),
    /// Merge snapshots and deltas into current: one row per record
    Fold(FoldArgs),
    /// List rows that differed at the last full fetches, with the cause
    Drift(DriftArgs),
    /// Show which tables and columns Kombo cannot fill, and why: the answer to "why is this null?"
    Coverage(CoverageArgs),
    /// List changes that are held because many rows would disappear at once, and accept them
    Accept(AcceptArgs),
    /// Expire old deltas, merge small files, delete unreferenced files, shorten logs
    Upkeep(UpkeepArgs),
    /// Show how efficiently the lake can be read: files, statistics, bytes of typical queries
    Lint(LintArgs),
    /// Remove the rows of deleted integrations from the lake
    Purge(PurgeArgs),
    /// Repair damaged tables, and rows that lie in the future because a clock was wrong
    Repair(RepairArgs),
}

impl LakeVerb {
    /// Returns the settings that are given on the command line.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        let lake = match self {
            Self::Files(args) => &args.lake,
            Self::Sql(args) => &args.lake,
            Self::Status(args) => &args.lake,
            Self::Fold(args) => &args.lake,
            Self::Drift(args) => &args.lake,
            Self::Coverage(args) => &args.lake,
            Self::Accept(args) => &args.lake,
            Self::Lint(args) => &args.lake,
            Self::Repair(args) => &args.lake,
            Self::Upkeep(args) => return args.overrides(),
            Self::Purge(args) => return args.overrides(),
        };
        lake.overrides()
    }
}
