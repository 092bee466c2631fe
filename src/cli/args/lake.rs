//! The words of the verbs that need only a lake.

use std::time::Duration;

use clap::ValueEnum;

use crate::config::Overrides;

use super::values::{duration, grace};

/// Which lake.
#[derive(Clone, Debug, clap::Args)]
pub struct LakeArgs {
    /// Where the lake is, in place of the configuration file
    #[arg(
        short,
        long,
        value_name = "URL",
        env = "KOMBO_LAKE_URL",
        hide_env_values = true
    )]
    pub lake_url: Option<String>,
}

impl LakeArgs {
    /// Returns the settings of a verb that needs only a lake.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            lake_url: self.lake_url.clone(),
            ..Overrides::default()
        }
    }
}

/// What `status` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source status
  kombo-source status --integration personio:CBNMt7dSNCzBdnRTx87dev4E
  kombo-source status --objective 2h --json

It reads the lake, beside a running service or without one. Tables of parked integrations are never late.
Exit codes: 0 every table is as fresh as it has to be, 1 some are late (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct StatusArgs {
    /// How old a table may be, such as 90m, 12h or 2d; twice the heartbeat if not given
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub objective: Option<Duration>,
    /// Only this integration, table by table
    #[arg(short, long, value_name = "ID")]
    pub integration: Option<String>,
    /// Every integration, table by table
    #[arg(short, long)]
    pub all: bool,
    /// Print everything as one JSON document
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// What `upkeep` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source upkeep --dry-run
  kombo-source upkeep --grace 21d

A running service does the same on its own. Both may run at once, beside readers and other writers: no row changes.
Exit codes: 0 all is done, 1 some tables could not be kept up (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct UpkeepArgs {
    /// Say what would be done, and list the files that would be deleted
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Keep files that nothing names any more this long: 14d to 30d
    #[arg(long, value_name = "DURATION", default_value = "14d", value_parser = grace)]
    pub grace: Duration,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// What `files` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source files --table ats_applications --part current
  kombo-source files --table hris_employees --part snapshots --integration personio:CBNMt7dSNCzBdnRTx87dev4E
  kombo-source files --table ats_jobs --lake-url ./demo-lake --json

A bare glob over the folder reads files that were replaced long ago. This list does not hold them.")]
pub struct FilesArgs {
    /// The table.
    #[arg(
        short,
        long,
        value_name = "TABLE",
        help = "The table: category and endpoint, such as ats_applications"
    )]
    pub table: String,
    /// Only one part of it; snapshots and deltas if not given
    #[arg(short, long, value_enum)]
    pub part: Option<FilesPart>,
    /// Only files with rows of this integration
    #[arg(short, long, value_name = "ID")]
    pub integration: Option<String>,
    /// Print one JSON object per file, with its rows and bytes
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// One of the Delta tables of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FilesPart {
    /// The live snapshot of each integration
    Snapshots,
    /// What was observed to change
    Deltas,
    /// One row per record, as it is now
    Current,
}
