//! The flags of `fold`.

use std::num::NonZeroU8;

use super::values::percent;
use super::{ChosenArgs, LakeArgs};
use crate::lake::FoldSettings;

/// The flags of `fold`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source fold
  kombo-source fold --table 'ats_*'
  kombo-source fold --table ats_applications \\
    --integration personio:CBNMt7dSNCzBdnRTx87dev4E

Rebuild current from snapshots and deltas:
  kombo-source fold --rebuild

A running service folds on its own, and a backfill folds at its end. All may run at once, beside readers. A fold that would \
remove more than a tenth and more than 100 rows of a table is held: `kombo-source accept` shows it.

Exit codes: 0 all is folded, 1 some tables could not be (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct FoldArgs {
    /// Which tables and integrations.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Rebuild current from snapshots and deltas, and replace the old one
    #[arg(long)]
    pub rebuild: bool,
    /// Use at most this share of one CPU core, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = FoldSettings::WHOLE_CORE, value_parser = percent)]
    pub cpu: NonZeroU8,
    /// Print one JSON object per folded table
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}
