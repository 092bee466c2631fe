//! The flags of the verbs that need only a lake.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::api::Region;
use crate::config::Overrides;
use crate::lake::{LintSettings, Part};

use super::ChosenArgs;
use super::values::{duration, region};

/// Where the lake is, and where local state is.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct LakeArgs {
    /// Location of the lake: a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix
    #[arg(
        short,
        long,
        value_name = "URL",
        env = "KOMBO_LAKE_URL",
        hide_env_values = true
    )]
    pub lake_url: Option<String>,
    /// Folder of local state (restart hints), which only `run` uses; safe to delete
    #[arg(long, value_name = "DIR")]
    #[arg(env = "KOMBO_DATA_DIR", hide_env_values = true)]
    pub data_dir: Option<PathBuf>,
}

const API_URL: &str =
    "Address of the API instead of a region, such as http://127.0.0.1:8484/v1 for the twin";

/// Which Kombo environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct KomboArgs {
    /// Region of your Kombo environment; a key works in its own region only
    #[arg(long, env = "KOMBO_REGION", hide_env_values = true, value_parser = region())]
    pub region: Option<Region>,
    /// Address of the API instead of a region.
    #[arg(
        long,
        value_name = "URL",
        env = "KOMBO_API_URL",
        hide_env_values = true
    )]
    #[arg(conflicts_with = "region", help = API_URL)]
    pub api_url: Option<String>,
}

/// Whether a verb that cannot be undone changes anything.
#[derive(Clone, Debug, clap::Args)]
pub struct DoneArgs {
    /// Print what would be done, and change nothing: the same as without --yes
    #[arg(short = 'n', long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Make the changes
    #[arg(long)]
    pub yes: bool,
}

impl LakeArgs {
    /// Returns the settings of a verb that needs only a lake.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            lake_url: self.lake_url.clone(),
            data_dir: self.data_dir.clone(),
            ..Overrides::default()
        }
    }
}

/// The flags of `status`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source status
  kombo-source status --integration personio:CBNMt7dSNCzBdnRTx87dev4E
  kombo-source status --table 'ats_*' --objective 2h --json

It reads the lake only, with or without a running service. Tables of parked integrations are never late.

Exit codes: 0 every table is fresh enough, 1 some are late or lie in the future (each is named), 64 wrong usage, 78 wrong \
configuration.")]
pub struct StatusArgs {
    /// Highest age of a table, such as 90m, 12h or 2d; default: twice the heartbeat
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub objective: Option<Duration>,
    /// Which tables and integrations: they are shown table by table.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Show every integration table by table
    #[arg(short, long)]
    pub all: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// The flags of `upkeep`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source upkeep --dry-run
  kombo-source upkeep --grace 21d --delta-retention 90d

A running service does the same on its own, with the settings in the upkeep section of the configuration file. Both may run \
at once, beside readers and other writers. A row of deltas expires when it is old and a later complete snapshot is folded \
into current; current does not change.

Exit codes: 0 all is done, 1 some tables could not be maintained (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct UpkeepArgs {
    /// Print what would be done and to which files, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Keep unreferenced files this long: 14d to 30d, and at least twice the interval of full fetches
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub grace: Option<Duration>,
    /// Keep rows of deltas at least this long: 35d or more
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub delta_retention: Option<Duration>,
    /// Keep rows of kombo_drift this long: as long as deltas or longer
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub drift_retention: Option<Duration>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

impl UpkeepArgs {
    /// Returns the settings of upkeep. Flags win over the configuration file.
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

/// The flags of `purge`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source purge
  kombo-source purge --yes
  kombo-source purge --after 0d --yes \\
    --integration personio:CBNMt7dSNCzBdnRTx87dev4E

Purges only integrations that Kombo did not find twice, a day apart. Right before, Kombo is asked again for each one, which \
needs the API key. An integration that Kombo finds stays. Without --yes it lists what would be removed, and changes nothing. \
A running service purges on its own, 14 days after each deletion. A purge may be interrupted and run again at any time.

No reader of the tables sees the rows after a purge. Their files stay for the file grace, 14 days by default, and upkeep \
then deletes them. With --now the files and every earlier version of their tables are deleted at once, also of integrations \
that were purged before and are named with --integration. Running readers of these tables may fail and have to start again. \
What the bucket itself keeps, by versioning or soft delete, is not deleted.

Exit codes: 0 all is done, 1 some could not be purged (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct PurgeArgs {
    /// Only these integration ids; repeat it or use commas
    #[arg(short, long = "integration", value_name = "ID", value_delimiter = ',')]
    pub integrations: Vec<String>,
    /// Purge an integration this long after Kombo first did not find it; default: 14d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub after: Option<Duration>,
    /// Also delete the files of earlier versions now, without the grace: running readers fail
    #[arg(long)]
    pub now: bool,
    /// Whether anything is changed.
    #[command(flatten)]
    pub done: DoneArgs,
    /// Which Kombo environment.
    #[command(flatten)]
    pub kombo: KomboArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
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

/// The flags of `repair`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source repair
  kombo-source repair --yes
  kombo-source repair --deep

A table is damaged when a log entry or a data file is missing, cut or not what was written. A repair makes each table readable \
again from what is left, keeps copies of the log entries that it replaces in kombo_repair/, and says what is lost. What only Kombo \
still has is fetched again in full: a repair prints the command. Stop the service before you repair damage.

Rows that were stamped while a clock was wrong lie in the future: they never expire, and the state of their tables at an \
instant is unknown. A repair stamps each of these rows with the time of the repair, in the order in which the rows came. \
Check this machine's clock first: its time counts as the present, unless the store of the lake reports a later time.

Without --yes it lists what it would do, and changes nothing. A repair may be interrupted and run again at any time, beside \
readers.

Exit codes: 0 all is done, 1 some tables could not be repaired (each is named), 64 wrong usage, 78 wrong configuration.")]
pub struct RepairArgs {
    /// Whether anything is changed.
    #[command(flatten)]
    pub done: DoneArgs,
    /// Read every row of every file, which finds damage within a file
    ///
    /// Without it, `repair` reads logs and the end of each file.
    #[arg(long)]
    pub deep: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// The flags of `lint`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source lint
  kombo-source lint --table ats_applications --json

It reads logs, file footers and bloom filters, no rows, and changes nothing. For typical queries it adds up the bytes that an \
engine reads which prunes by log statistics, footers, bloom filters and page indexes: one record by its id, and one \
integration of middle size, with all columns, in snapshots and current; the newest day of changes in deltas.

Exit codes: 0 no findings, 1 some (each with advice), 64 wrong usage, 78 wrong configuration.")]
pub struct LintArgs {
    /// Only these tables: a name such as ats_applications, a pattern such as 'ats_*', or all; repeat it or use commas
    #[arg(short, long = "table", value_name = "TABLE", value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Read the footers of N files of each Delta table, evenly spread
    #[arg(long, value_name = "N", default_value_t = LintSettings::FOOTERS)]
    pub footers: NonZeroUsize,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}

/// The flags of `files`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source files --table ats_applications --part current
  kombo-source files --table all --part deltas
  kombo-source files --table hris_employees --part snapshots \\
    --integration personio:CBNMt7dSNCzBdnRTx87dev4E
  kombo-source files --table ats_jobs --lake-url ./demo-lake --json

A glob over the folder also matches files that were replaced long ago. This list does not contain them.")]
pub struct FilesArgs {
    /// Tables: a name such as ats_applications, a pattern such as 'ats_*', or all; repeat it or use commas
    #[arg(
        short,
        long = "table",
        value_name = "TABLE",
        value_delimiter = ',',
        required = true
    )]
    pub tables: Vec<String>,
    /// Only this part of the tables; default: snapshots and deltas
    #[arg(short, long, value_enum)]
    pub part: Option<FilesPart>,
    /// Only files with rows of these integration ids; repeat it or use commas. Files of deltas and current may have rows of
    /// others, too
    #[arg(short, long = "integration", value_name = "ID", value_delimiter = ',')]
    pub integrations: Vec<String>,
    /// Print a JSON array with rows and bytes of each file
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
    /// Observed changes
    Deltas,
    /// One current row per record
    Current,
}

impl FilesPart {
    /// Returns the name of the part, in arguments and in the lake.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::Deltas => "deltas",
            Self::Current => "current",
        }
    }

    /// Returns the part of the lake.
    pub(in crate::cli) fn of_lake(self) -> Part {
        match self {
            Self::Snapshots => Part::Snapshots,
            Self::Deltas => Part::Deltas,
            Self::Current => Part::Current,
        }
    }
}
