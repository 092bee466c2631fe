//! The verbs that need only a lake.

use clap::Subcommand;

use super::{
    AcceptArgs, DriftArgs, FilesArgs, FoldArgs, LintArgs, PurgeArgs, RepairArgs, SqlArgs,
    StatusArgs, UpkeepArgs,
};
use crate::config::Overrides;

/// What to do with a lake.
#[derive(Clone, Debug, Subcommand)]
pub enum LakeVerb {
    /// List the live Parquet files of a table, for tools that do not know Delta
    Files(FilesArgs),
    /// Print SQL that reads the lake: what is now, what was, what changed, who left, for nine engines
    Sql(SqlArgs),
    /// Say how fresh each table is, and which are late
    Status(StatusArgs),
    /// Fold snapshots and deltas into current: one row per record
    Fold(FoldArgs),
    /// List rows that full fetches found other than the lake had them, and why
    Drift(DriftArgs),
    /// List what is held back because much would vanish at once, or let it through
    Accept(AcceptArgs),
    /// Let old changes go, merge small files, delete what nothing names any more, cut the logs short
    Upkeep(UpkeepArgs),
    /// Say how well the lake can be read: files, their descriptions, bytes that typical queries read
    Lint(LintArgs),
    /// Take the rows of deleted integrations out of the lake
    Purge(PurgeArgs),
    /// Bring rows back that lie in the future, stamped while a clock was wrong
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
            Self::Accept(args) => &args.lake,
            Self::Lint(args) => &args.lake,
            Self::Repair(args) => &args.lake,
            Self::Upkeep(args) => return args.overrides(),
            Self::Purge(args) => return args.overrides(),
        };
        lake.overrides()
    }
}
