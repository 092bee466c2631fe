//! The verbs and flags of the command line.
//!
//! The API key is no flag, because arguments show in process lists and shell histories. The key comes from
//! `$KOMBO_API_KEY` or from a file. Flags that several verbs have are declared once: [`LakeArgs`] (where the lake is),
//! [`ChosenArgs`] (`--table` and `--integration`), [`SettingsArgs`] (settings above the configuration file).
//!
//! Help is printed as wide as the terminal, at most 100 columns. Prose below the flags is one line per paragraph, which
//! clap wraps. Examples have at most 78 columns; a longer one is broken with a backslash, so that it can be copied.
#![expect(
    clippy::doc_markdown,
    reason = "the comment above an argument is printed as its help"
)]

mod alerts;
mod chosen;
mod coverage;
mod drift;
mod explain;
mod fold;
mod lake;
mod lake_verb;
mod run;
mod settings;
mod shell_verb;
mod sql;
mod twin_life;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Style, Styles};
use clap::error::ErrorKind;
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::build_info::BUILD_INFO;
use crate::company::WorldSettings;
use crate::twin::TwinSettings;
pub use alerts::AlertsArgs;
pub use chosen::ChosenArgs;
pub use coverage::CoverageArgs;
pub use drift::{AcceptArgs, DriftArgs};
pub use explain::ExplainArgs;
pub use fold::FoldArgs;
pub use lake::{
    FilesArgs, FilesPart, LakeArgs, LintArgs, PurgeArgs, RepairArgs, StatusArgs, UpkeepArgs,
};
pub use lake_verb::LakeVerb;
pub use run::RunArgs;
pub use settings::SettingsArgs;
pub use shell_verb::{CompletionsArgs, ManArgs, ShellVerb};
pub use sql::{SqlArgs, SqlEngine, SqlView};
pub use twin_life::TwinLifeArgs;
pub use values::Since;
use values::{address, duration, instant, positive, wanted};

use crate::plan::Kind;
use crate::time::Moment;

/// The colours of help and of errors about usage. Clap leaves them out in pipes and with NO_COLOR.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(Style::new().bold())
    .placeholder(Style::new())
    .error(AnsiColor::Red.on_default().bold())
    .valid(AnsiColor::Green.on_default())
    .invalid(AnsiColor::Yellow.on_default());

/// From Kombo's API to Delta tables: snapshots and deltas of HRIS, ATS, LMS and assessment data.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kombo-source",
    version = BUILD_INFO.text,
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    styles = STYLES,
    after_help = "\
Start here, without a key and without a network:
  kombo-source demo

With a key:
  export KOMBO_API_KEY=...
  export KOMBO_INTEGRATIONS=personio:CBNMt7dSNCzBdnRTx87dev4E
  kombo-source check --lake-url ./lake
  kombo-source backfill --lake-url ./lake

With a configuration file:
  kombo-source generate > kombo.yaml
  kombo-source validate

Exit codes: 0 all work is done, 1 some of it failed, 64 wrong usage, 77 Kombo refuses the API key, 78 wrong configuration."
)]
pub struct Args {
    /// The flags of every verb.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The flags of every verb.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Configuration file (.yaml, .yml or .json); default: kombo.yaml, if there is one
    #[arg(short, long, value_name = "FILE", global = true)]
    #[arg(env = "KOMBO_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Format of log lines: text or JSON
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        global = true
    )]
    #[arg(env = "KOMBO_LOG_FORMAT", hide_env_values = true)]
    pub log_format: LogFormat,
    /// -v: verbose; -vv: every page
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Show no progress
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "verbose")]
    pub quiet: u8,
    /// Folder with endpoint schemas, instead of the built-in ones
    #[arg(long, value_name = "DIR", global = true)]
    #[arg(env = "KOMBO_SCHEMAS", hide_env_values = true)]
    pub schemas: Option<PathBuf>,
}

impl GlobalArgs {
    /// Returns how much more than usual is logged; a negative number for less.
    #[must_use]
    pub fn verbosity(&self) -> i16 {
        i16::from(self.verbose) - i16::from(self.quiet)
    }
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines of text
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// A verb.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Fill a lake on this machine with made-up customers: no key, no network
    Demo(DemoArgs),
    /// Print a configuration file with every option, its default and an explanation
    #[command(after_help = "\
Example:
  kombo-source generate > kombo.yaml")]
    Generate,
    /// Check the configuration, offline
    #[command(after_help = "\
Examples:
  kombo-source validate
  kombo-source validate --config /etc/kombo-source/kombo.yaml")]
    Validate(SettingsArgs),
    /// Check the key, each integration and its readable models, and the lake
    #[command(after_help = "\
Examples:
  kombo-source check
  kombo-source check --integration workday:HWUTwvyx2wLoSUHphiWVrp28 \\
    --lake-url s3://bucket/lake --region us

Exit codes: 0 every check passed, 1 some failed (each is named), 64 wrong usage, 78 wrong configuration.")]
    Check(SettingsArgs),
    /// Fetch integrations into the lake once: every row, or the changes since the last fetch
    Backfill(BackfillArgs),
    /// Run the service: receive Kombo's webhooks, fetch changes, fetch everything on schedule
    Run(RunArgs),
    /// Show which requests a webhook causes and which it saves, offline
    Explain(ExplainArgs),
    /// Verbs that need only a lake.
    #[command(flatten)]
    Lake(LakeVerb),
    /// Print a Grafana dashboard for the metrics of the service
    #[command(after_help = "\
Example:
  kombo-source dashboard > kombo-source.json")]
    Dashboard,
    /// Print alert rules for Prometheus: one for each trouble of the service, with its cure
    Alerts(AlertsArgs),
    /// Verbs that print files for the shell and for `man`.
    #[command(flatten)]
    Shell(ShellVerb),
    /// Serve a local stand-in for Kombo, with made-up companies
    Twin(TwinArgs),
}

/// The flags of `demo`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source demo
  kombo-source demo --lake /tmp/lake --rows 100000

See changes arrive: webhook, delta, commit, row:
  kombo-source demo --live")]
pub struct DemoArgs {
    /// Folder of the lake; default with --live: ./demo-live-lake
    #[arg(
        long,
        visible_alias = "lake-url",
        value_name = "DIR",
        default_value = "./demo-lake",
        default_value_if("live", "true", "./demo-live-lake")
    )]
    pub lake: PathBuf,
    /// Rows of the largest table of each integration; default with --live: 2000
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50_000,
        default_value_if("live", "true", "2000")
    )]
    pub rows: u64,
    /// Start the service after the first load, change rows, and show the way of each change into the lake
    #[arg(long)]
    pub live: bool,
    /// End after N changes; Ctrl-C ends it sooner
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive, requires = "live")]
    pub changes: NonZeroU32,
    /// Seed of the made-up companies; another seed makes other companies
    #[arg(long, value_name = "N", default_value_t = WorldSettings::default().seed)]
    pub seed: u64,
    /// Start the clock of the customers at this instant instead of now; the same instant and seed make the same records
    #[arg(long, value_name = "INSTANT", value_parser = instant, conflicts_with = "live")]
    pub start: Option<Moment>,
}

/// The flags of `backfill`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source backfill --plan
  kombo-source backfill --endpoint 'ats/*' --endpoint hris/employees
  kombo-source backfill --mode delta
  kombo-source backfill --lake-url ./lake --json \\
    --integration personio:CBNMt7dSNCzBdnRTx87dev4E

Go on after an interrupted backfill:
  kombo-source backfill --skip-newer-than 12h

The API key comes from KOMBO_API_KEY, or from the file that api_key_file names.

Exit codes: 0 every table is committed, 1 some failed (each is named), 64 wrong usage, 77 Kombo refuses the API key, 78 wrong configuration.")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own; none depends on another"
)]
pub struct BackfillArgs {
    /// Every row, or the changes since the last committed fetch
    #[arg(short, long, default_value = "full", value_parser = wanted())]
    pub mode: Kind,
    /// Skip tables fetched less than this ago, such as 90s, 30m, 12h, 7d or 2w
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub skip_newer_than: Option<Duration>,
    /// Fetch every snapshot twice, to find rows that moved between the pages of the first one
    #[arg(long)]
    pub confirm: bool,
    /// Do not fold into current; `kombo-source fold` or a service does so later
    #[arg(long)]
    pub no_fold: bool,
    /// Fetch first pages only, and estimate rows, requests and time
    #[arg(long)]
    pub plan: bool,
    /// Print the report as one JSON document
    #[arg(long)]
    pub json: bool,
    /// Settings above the configuration file.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// The flags of `twin`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source twin --now
  kombo-source twin --address 127.0.0.1:9000 --integrations 30 --seed 7
  kombo-source twin --no-rate-limit --latency-ms 40 --truth ./truth
  kombo-source twin --changes-per-minute 60 \\
    --webhook-url http://127.0.0.1:8080/webhooks/kombo")]
pub struct TwinArgs {
    /// Address to listen on
    #[arg(short, long, value_name = "ADDRESS", default_value_t = TwinSettings::default().address, value_parser = address)]
    pub address: SocketAddr,
    /// Number of integrations, spread over the categories
    #[arg(short, long, value_name = "N", default_value = "3", value_parser = positive)]
    pub integrations: NonZeroU32,
    /// Rows of the largest table of each integration
    #[arg(short, long, value_name = "N", default_value_t = 10_000)]
    pub rows: u64,
    /// Seed of the made-up companies; another seed makes other companies
    #[arg(short, long, value_name = "N", default_value_t = WorldSettings::default().seed)]
    pub seed: u64,
    /// Requests per minute that the twin allows a key, as Kombo does
    #[arg(long, value_name = "N", default_value_t = TwinSettings::RATE_LIMIT, value_parser = positive)]
    pub rate_limit: NonZeroU32,
    /// Disable the rate limit of the twin
    #[arg(long, conflicts_with = "rate_limit")]
    pub no_rate_limit: bool,
    /// Delay of each answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency_ms: u64,
    /// Send legal answers that break careless clients: enum values and fields that no schema lists
    #[arg(long)]
    pub oddities: bool,
    /// Write every row of the twin into this folder first, as NDJSON per integration and endpoint
    #[arg(long, value_name = "DIR")]
    pub truth: Option<PathBuf>,
    /// How the companies change.
    #[command(flatten)]
    pub life: TwinLifeArgs,
}

impl Args {
    /// Parses a command line that begins with the name of the program. [`exit_code`] returns the exit code of an error.
    pub fn from_command_line(
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        Self::try_parse_from(words)
    }
}

/// Returns the exit code of an error of clap: 0 for requested help, and otherwise 64, which is `EX_USAGE` in `sysexits.h`.
#[must_use]
pub fn exit_code(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        _ => 64,
    }
}

#[cfg(test)]
mod tests;
