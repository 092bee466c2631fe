//! The flags of `drift` and `accept`.

use clap::builder::TypedValueParser;

use crate::versions::drift::{DriftCause, DriftKind};

use super::ChosenArgs;
use super::lake::LakeArgs;
use super::values::{Since, one_of, since};

/// The flags of `drift`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source drift
  kombo-source drift --summary
  kombo-source drift --table ats_applications --since 7d
  kombo-source drift --cause not_surfaced --since 2026-01-05T08:00:00Z --json

Each full fetch is compared with the lake as it was before. Ids are shown, values never.

Exit codes: 0 whatever was found, 64 wrong usage, 78 wrong configuration.")]
pub struct DriftArgs {
    /// Which tables and integrations.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Only this kind of difference
    #[arg(long, value_name = "KIND", value_parser = kind())]
    pub kind: Option<DriftKind>,
    /// Only differences with this cause
    #[arg(long, value_name = "CAUSE", value_parser = cause())]
    pub cause: Option<DriftCause>,
    /// Only differences found since then, such as 12h, 7d, 2026-01-05 or 2026-01-05T08:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,
    /// Show the N newest rows
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Show numbers per kind, and how complete each table was at its last full fetch
    #[arg(long, conflicts_with = "limit")]
    pub summary: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// The flags of `accept`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source accept
  kombo-source accept --table ats_applications \\
    --integration greenhouse:8d1hpPsbjxUkoCoa1veLZGe5
  kombo-source accept --table 'ats_*' --dry-run
  kombo-source accept --all

Without flags it lists what is held, and why. Changes are held when many rows of a table would disappear or lose values at \
once: readers of current still see the rows from before. The next fold applies accepted changes. Later changes are judged \
again.

Exit codes: 0 accepted, or nothing is held; 1 more was held meanwhile, run it again; 64 wrong usage, 78 wrong configuration.")]
pub struct AcceptArgs {
    /// Which tables and integrations.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Accept everything that is held
    #[arg(short, long, conflicts_with_all = ["tables", "integrations"])]
    pub all: bool,
    /// Print what would be accepted, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

fn kind() -> impl TypedValueParser<Value = DriftKind> {
    one_of(DriftKind::ALL, DriftKind::as_str)
}

fn cause() -> impl TypedValueParser<Value = DriftCause> {
    one_of(DriftCause::ALL, DriftCause::as_str)
}
