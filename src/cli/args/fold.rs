//! The words of `fold`.

use std::num::NonZeroU8;

use super::LakeArgs;
use super::values::percent;
use crate::lake::FoldSettings;

/// What `fold` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source fold
  kombo-source fold --table ats_applications --integration personio:CBNMt7dSNCzBdnRTx87dev4E
  kombo-source fold --rebuild               make current anew from snapshots and deltas

A running service does the same on its own, and a backfill at its end. All may run at once, beside readers.
What would take away over a tenth and over a hundred rows of a table is held: `kombo-source accept` shows it.
Exit codes: 0 all is folded, 1 some tables could not be (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct FoldArgs {
    /// Only this table, such as ats_applications
    #[arg(short, long)]
    pub table: Option<String>,
    /// Only this integration
    #[arg(short, long, value_name = "ID")]
    pub integration: Option<String>,
    /// Make every table anew from its snapshot and deltas, and put it in the place of the old one
    #[arg(long)]
    pub rebuild: bool,
    /// Take no more than this share of one core, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = FoldSettings::WHOLE_CORE, value_parser = percent)]
    pub cpu: NonZeroU8,
    /// Print one JSON object per table that was folded
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}
