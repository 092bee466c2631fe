//! The words of `drift` and `accept`: what full fetches found, and what is held back.

use clap::builder::TypedValueParser;

use crate::versions::drift::{DriftCause, DriftKind};

use super::lake::LakeArgs;
use super::values::{Since, one_of, since};

/// What `drift` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source drift
  kombo-source drift --summary
  kombo-source drift --table ats_applications --since 7d
  kombo-source drift --cause not_surfaced --since 2026-01-05T08:00:00Z --limit 1000 --json

Each full fetch is compared with what the lake knew before it. Ids are shown, values never.
Exit codes: 0 whatever was found, 64 wrong usage, 78 wrong configuration.")]
pub struct DriftArgs {
    /// Only rows of this integration
    #[arg(short, long, value_name = "ID")]
    pub integration: Option<String>,
    /// Only rows of this table: category and endpoint, such as ats_applications
    #[arg(short, long)]
    pub table: Option<String>,
    /// Only what was wrong in this way
    #[arg(long, value_name = "KIND", value_parser = kind())]
    pub kind: Option<DriftKind>,
    /// Only what was wrong for this reason
    #[arg(long, value_name = "CAUSE", value_parser = cause())]
    pub cause: Option<DriftCause>,
    /// Only what was found since, such as 12h, 7d, 2026-01-05 or 2026-01-05T08:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,
    /// Show the newest so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Show how many there are of each kind, and how complete each table was when it was last fetched in full
    #[arg(long, conflicts_with = "limit")]
    pub summary: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// What `accept` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source accept                      what is held, and why
  kombo-source accept --table ats_applications --integration greenhouse:8d1hpPsbjxUkoCoa1veLZGe5
  kombo-source accept --integration greenhouse:8d1hpPsbjxUkoCoa1veLZGe5 --dry-run
  kombo-source accept --all

Many rows that vanish at once, or turn null, are held back: readers of current see them as they were. What is accepted is
taken in by the next fold. What comes afterwards is judged anew.
Exit codes: 0 accepted, or nothing is held; 1 more was held meanwhile, look again; 64 wrong usage, 78 wrong configuration.")]
pub struct AcceptArgs {
    /// Accept what is held of this table: category and endpoint, such as ats_applications
    #[arg(short, long)]
    pub table: Option<String>,
    /// Accept what is held of this integration
    #[arg(short, long, value_name = "ID")]
    pub integration: Option<String>,
    /// Accept everything that is held
    #[arg(short, long, conflicts_with_all = ["table", "integration"])]
    pub all: bool,
    /// Say what would be accepted, and accept nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
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
