//! The words of the verbs that need only a lake.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::ValueEnum;

use crate::api::Region;
use crate::config::Overrides;
use crate::lake::{LintSettings, Part};

use super::values::{duration, region};

/// Which lake.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct LakeArgs {
    /// Where the lake is: a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix
    #[arg(
        short,
        long,
        value_name = "URL",
        env = "KOMBO_LAKE_URL",
        hide_env_values = true
    )]
    pub lake_url: Option<String>,
}

const API_URL: &str =
    "The API's address in place of a region, such as http://127.0.0.1:8484/v1 for the twin";

/// Which Kombo environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct KomboArgs {
    /// Where your Kombo environment lives; a key works in its own region only
    #[arg(long, env = "KOMBO_REGION", hide_env_values = true, value_parser = region())]
    pub region: Option<Region>,
    /// The API's address in place of a region.
    #[arg(
        long,
        value_name = "URL",
        env = "KOMBO_API_URL",
        hide_env_values = true
    )]
    #[arg(conflicts_with = "region", help = API_URL)]
    pub api_url: Option<String>,
}

/// Whether a verb that cannot be undone does it.
#[derive(Clone, Debug, clap::Args)]
pub struct DoneArgs {
    /// Say what would be done, and change nothing: the same as without --yes
    #[arg(short = 'n', long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do it
    #[arg(long)]
    pub yes: bool,
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
Exit codes: 0 every table is as fresh as it has to be, 1 some are late or lie in the future (each is named), 64 wrong usage, 78 wrong configuration.")]
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
  kombo-source upkeep --grace 21d --delta-retention 90d

A running service does the same on its own, with the same settings: the file's upkeep section, unless flags say otherwise.
Both may run at once, beside readers and other writers. A row leaves deltas
when it is old and a complete snapshot begun after it is folded into current; what is true now stays as it is.
Exit codes: 0 all is done, 1 some tables could not be kept up (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct UpkeepArgs {
    /// Say what would be done, and list the files that rows would leave or that would be deleted
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Keep files that nothing names any more this long: 14d to 30d, and twice the interval of full fetches
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub grace: Option<Duration>,
    /// Keep rows of deltas this long at least: 35d or more
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub delta_retention: Option<Duration>,
    /// Keep what full fetches found (kombo_drift) this long: as long as deltas or longer
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub drift_retention: Option<Duration>,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

impl UpkeepArgs {
    /// Returns the settings of upkeep: what is given here wins over the configuration file.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            grace: self.grace,
            delta_retention: self.delta_retention,
            drift_retention: self.drift_retention,
            ..self.lake.overrides()
        }
    }
}

/// What `purge` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source purge
  kombo-source purge --yes
  kombo-source purge --integration personio:CBNMt7dSNCzBdnRTx87dev4E --after 0d --yes

Only integrations that Kombo has found no more twice, a day apart. Kombo is asked once more for each, right before: that
takes the API key. Those it answers for stay. Without --yes it says what would leave, and changes nothing.
A running service does the same on its own, 14 days after each deletion. It may be stopped and run again at any time.
Exit codes: 0 all is done, 1 some could not be purged (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct PurgeArgs {
    /// Only this integration
    #[arg(short, long, value_name = "ID")]
    pub integration: Option<String>,
    /// How long after Kombo first did not find an integration its rows leave; 14d if not given
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub after: Option<Duration>,
    /// Whether it is done.
    #[command(flatten)]
    pub done: DoneArgs,
    /// Whom to ask.
    #[command(flatten)]
    pub kombo: KomboArgs,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

impl PurgeArgs {
    /// Returns the settings of a verb that needs the lake and Kombo.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            region: self.kombo.region,
            api_url: self.kombo.api_url.clone(),
            ..self.lake.overrides()
        }
    }
}

/// What `repair` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source repair
  kombo-source repair --yes

Rows that were stamped while a clock was wrong lie in the future: nothing old leaves their tables, and what was at an
instant cannot be told. Each such row is observed at the time of the repair instead, in the order in which the rows came.
Without --yes it says what lies in the future, and changes nothing. Look at this machine's clock first: what it says
is taken for the present, unless the lake's store says that it is later.
It may be stopped and run again at any time, beside readers and a running service.
Exit codes: 0 all is done, 1 some tables could not be repaired (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct RepairArgs {
    /// Whether it is done.
    #[command(flatten)]
    pub done: DoneArgs,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// What `lint` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source lint
  kombo-source lint --table ats_applications --json

It reads logs, the ends of files and bloom filters, no row, and changes nothing. For typical queries it adds up the bytes
that an engine reads which prunes by log statistics, footers, bloom filters and page indexes: one record by its id and one
integration of middling size, all columns, in snapshots and current; the newest day of changes in deltas.
Exit codes: 0 nothing to mend, 1 something is (each is named, with what to do), 64 wrong usage, 78 wrong configuration.")]
pub struct LintArgs {
    /// Only this table: category and endpoint, such as ats_applications
    #[arg(short, long)]
    pub table: Option<String>,
    /// Read the ends of so many files of each Delta table, evenly spread
    #[arg(long, value_name = "N", default_value_t = LintSettings::FOOTERS)]
    pub footers: NonZeroUsize,
    /// Print everything as one JSON document
    #[arg(long)]
    pub json: bool,
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
    /// The table: category and endpoint, such as ats_applications
    #[arg(short, long)]
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

impl FilesPart {
    /// Returns its name, in arguments and in the lake.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::Deltas => "deltas",
            Self::Current => "current",
        }
    }

    /// Returns the lake's word for it.
    pub(in crate::cli) fn of_lake(self) -> Part {
        match self {
            Self::Snapshots => Part::Snapshots,
            Self::Deltas => Part::Deltas,
            Self::Current => Part::Current,
        }
    }
}
