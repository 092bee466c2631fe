//! The words of the command line.
//!
//! The API key is no flag: arguments show in process lists and shell histories. It comes from `$KOMBO_API_KEY` or a file.
#![expect(
    clippy::doc_markdown,
    reason = "what stands above an argument is printed as its help"
)]

mod drift;
mod explain;
mod fold;
mod lake;
mod lake_verb;
mod run;
mod settings;
mod sql;
mod twin_life;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::company::WorldSettings;
use crate::twin::TwinSettings;
pub use drift::{AcceptArgs, DriftArgs};
pub use explain::ExplainArgs;
pub use fold::FoldArgs;
pub use lake::{
    FilesArgs, FilesPart, LakeArgs, LintArgs, PurgeArgs, RepairArgs, StatusArgs, UpkeepArgs,
};
pub use lake_verb::LakeVerb;
pub use run::RunArgs;
pub use settings::SettingsArgs;
pub use sql::{SqlArgs, SqlEngine, SqlView};
pub use twin_life::TwinLifeArgs;
pub use values::Since;
use values::{address, duration, instant, positive, wanted};

use crate::plan::Kind;
use crate::time::Moment;

/// From Kombo's API to Delta tables: snapshots and deltas of HRIS, ATS, LMS and assessment data.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kombo-source",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Start here:
  kombo-source demo                        see it work, without a key and without a network

With a key:
  export KOMBO_API_KEY=...
  kombo-source check --integration personio:CBNMt7dSNCzBdnRTx87dev4E --lake-url ./lake
  kombo-source backfill --integration personio:CBNMt7dSNCzBdnRTx87dev4E --lake-url ./lake

With a file:
  kombo-source generate > kombo.yaml
  kombo-source validate

Exit codes: 0 all is done, 1 some of it failed, 64 wrong usage, 78 wrong configuration."
)]
pub struct Args {
    /// What holds for every verb.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What holds for every verb.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "For every verb")]
pub struct GlobalArgs {
    /// Read this configuration (.yaml, .yml or .json); kombo.yaml, where there is one, if not given
    #[arg(short, long, value_name = "FILE", global = true)]
    #[arg(env = "KOMBO_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Write logs as lines for people or as JSON
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        global = true
    )]
    #[arg(env = "KOMBO_LOG_FORMAT", hide_env_values = true)]
    pub log_format: LogFormat,
    /// Log what happens; twice for every page
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Show no progress
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "verbose")]
    pub quiet: u8,
    /// Take the endpoints and columns from this folder instead of those built in
    #[arg(long, value_name = "DIR", global = true)]
    #[arg(env = "KOMBO_SCHEMAS", hide_env_values = true)]
    pub schemas: Option<PathBuf>,
}

impl GlobalArgs {
    /// Returns how much more than usual to log; below zero for less.
    #[must_use]
    pub fn verbosity(&self) -> i16 {
        i16::from(self.verbose) - i16::from(self.quiet)
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Bring a made-up customer base into a lake on this machine: no key, no network
    Demo(DemoArgs),
    /// Print a configuration with every option, its default and the reason for it
    #[command(after_help = "\
Example:
  kombo-source generate > kombo.yaml")]
    Generate,
    /// Read the configuration and say what is wrong with it, offline
    #[command(after_help = "\
Examples:
  kombo-source validate
  kombo-source validate --config /etc/kombo-source/kombo.yaml")]
    Validate(SettingsArgs),
    /// Try the key, each integration, what it lets us read, and writing to the lake
    #[command(after_help = "\
Examples:
  kombo-source check
  kombo-source check --integration workday:HWUTwvyx2wLoSUHphiWVrp28 --lake-url s3://bucket/lake --region us")]
    Check(SettingsArgs),
    /// Fetch integrations into the lake: every row, or what changed since the last time
    Backfill(BackfillArgs),
    /// Keep the lake in step: take Kombo's webhooks, fetch what changed, fetch everything on schedule
    Run(RunArgs),
    /// Say which requests a webhook causes, which it saves, and why: offline
    Explain(ExplainArgs),
    /// Verbs that need only a lake.
    #[command(flatten)]
    Lake(LakeVerb),
    /// Print a Grafana dashboard of what the service measures
    #[command(after_help = "\
Example:
  kombo-source dashboard > kombo-source.json")]
    Dashboard,
    /// Serve a stand-in for Kombo on this machine, with made-up companies
    Twin(TwinArgs),
}

/// What `demo` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source demo
  kombo-source demo --live                 see changes arrive: webhook, delta, commit, row
  kombo-source demo --lake /tmp/lake --rows 100000")]
pub struct DemoArgs {
    /// The folder of the lake; ./demo-live-lake with --live
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./demo-lake",
        default_value_if("live", "true", "./demo-live-lake")
    )]
    pub lake: PathBuf,
    /// Rows of the largest table of each integration; 2000 with --live
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50_000,
        default_value_if("live", "true", "2000")
    )]
    pub rows: u64,
    /// Then start the service, change rows of the customers, and show each on its way into the lake
    #[arg(long)]
    pub live: bool,
    /// End after so many changes; Ctrl-C ends it sooner
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive, requires = "live")]
    pub changes: NonZeroU32,
    /// Another seed makes other companies
    #[arg(long, value_name = "N", default_value_t = WorldSettings::default().seed)]
    pub seed: u64,
    /// Start the clock of the customers at this instant instead of now; the same instant and seed make the same records
    #[arg(long, value_name = "INSTANT", value_parser = instant, conflicts_with = "live")]
    pub start: Option<Moment>,
}

/// What `backfill` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source backfill --plan
  kombo-source backfill --endpoint 'ats/*' --endpoint hris/employees
  kombo-source backfill --mode delta
  kombo-source backfill --skip-newer-than 12h          go on where a killed one stopped
  kombo-source backfill --integration personio:CBNMt7dSNCzBdnRTx87dev4E --lake-url ./lake --json

The API key comes from KOMBO_API_KEY, or from the file that api_key_file names.
Exit codes: 0 every table is committed, 1 some failed (each is named), 64 wrong usage, 78 wrong configuration.")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own; none depends on another"
)]
pub struct BackfillArgs {
    /// Every row, or what changed since the last committed fetch
    #[arg(short, long, default_value = "full", value_parser = wanted())]
    pub mode: Kind,
    /// Leave out tables fetched less than this ago, such as 90s, 30m, 12h, 7d or 2w
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub skip_newer_than: Option<Duration>,
    /// Take every snapshot twice: rows that the second one finds gone are gone
    #[arg(long)]
    pub confirm: bool,
    /// Leave current as it is; `kombo-source fold` or a service folds later
    #[arg(long)]
    pub no_fold: bool,
    /// Ask for first pages only, and say which rows, requests and time to expect
    #[arg(long)]
    pub plan: bool,
    /// Print a summary as JSON at the end
    #[arg(long)]
    pub json: bool,
    /// Settings above the file.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// What `twin` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source twin
  kombo-source twin --address 127.0.0.1:9000 --integrations 30 --rows 1000 --seed 7
  kombo-source twin --no-rate-limit --latency-ms 40 --truth ./truth
  kombo-source twin --changes-per-minute 60 --webhook-url http://127.0.0.1:8080/webhooks/kombo")]
pub struct TwinArgs {
    /// Where to listen
    #[arg(short, long, value_name = "ADDRESS", default_value_t = TwinSettings::default().address, value_parser = address)]
    pub address: SocketAddr,
    /// How many integrations, spread over the categories
    #[arg(short, long, value_name = "N", default_value = "3", value_parser = positive)]
    pub integrations: NonZeroU32,
    /// Rows of the largest table of each integration
    #[arg(short, long, value_name = "N", default_value_t = 10_000)]
    pub rows: u64,
    /// Another seed makes other companies
    #[arg(short, long, value_name = "N", default_value_t = WorldSettings::default().seed)]
    pub seed: u64,
    /// Requests a minute that a key may make, as at Kombo
    #[arg(long, value_name = "N", default_value_t = TwinSettings::RATE_LIMIT, value_parser = positive)]
    pub rate_limit: NonZeroU32,
    /// Answer as many requests as come
    #[arg(long, conflicts_with = "rate_limit")]
    pub no_rate_limit: bool,
    /// Wait this long before each answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency_ms: u64,
    /// Send what is legal but breaks careless clients: enum values and fields that no schema lists
    #[arg(long)]
    pub oddities: bool,
    /// Write every row it holds into this folder first, as NDJSON per integration and endpoint
    #[arg(long, value_name = "DIR")]
    pub truth: Option<PathBuf>,
    /// How it lives.
    #[command(flatten)]
    pub life: TwinLifeArgs,
}

impl Args {
    /// Reads a command line, the program's name first. [`exit_code`] tells what an error means.
    pub fn from_command_line(
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        Self::try_parse_from(words)
    }
}

/// Returns the exit code that goes with what clap has to say: 0 for help that was asked for, else 64, `EX_USAGE` of
/// `sysexits.h`.
#[must_use]
pub fn exit_code(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        _ => 64,
    }
}

#[cfg(test)]
mod tests;
