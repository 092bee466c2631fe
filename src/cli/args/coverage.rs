//! The flags of `coverage`.

use super::ChosenArgs;
use super::lake::LakeArgs;

/// The flags of `coverage`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source coverage
  kombo-source coverage --table hris_employees
  kombo-source coverage --integration personio:CBNMt7dSNCzBdnRTx87dev4E --json

It answers why a table or a column is empty: as Kombo says, the connected tool lacks it, the scope configuration switches it \
off, or the customer does. A column that is not listed and null has no value in the tool.

Exit codes: 0 whatever was found, 64 wrong usage, 78 wrong configuration.")]
pub struct CoverageArgs {
    /// Which tables and integrations.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Print one JSON object per line: one for each model of an integration
    #[arg(long)]
    pub json: bool,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
}
