//! The flags of `explain`.

use std::path::PathBuf;

use super::values::plan_mode;
use crate::plan::PlanMode;

/// The flags of `explain`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source explain --payload webhook.json
  kombo-source explain --payload webhook.json --endpoint 'ats/*' --plan all
  kombo-source explain --payload webhook.json --json

A webhook to try:
  echo '{\"id\": \"e1\", \"type\": \"data-changed\", \"data\": {
      \"integration_id\": \"greenhouse:8d1hpPsbjxUkoCoa1veLZGe5\",
      \"integration_category\": \"ATS\",
      \"changed_models\": [{\"name\": \"ats_jobs\"}, {\"name\": \"ats_offers\"}]
    }}' | kombo-source explain

Check a signature with the secret in KOMBO_WEBHOOK_SECRET:
  kombo-source explain --payload body.json \\
    --signature 7O9HDInBNb5AEuHfDQSe1824Divpjmh2orcjxZ0wa3g

Needs no key, no lake and no network. Endpoints and plan come from the configuration file, if there is one.

Exit codes: 0 explained, 1 no webhook or a wrong signature, 64 wrong usage, 78 wrong configuration.")]
pub struct ExplainArgs {
    /// File with the body of a webhook, byte for byte; - for standard input
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub payload: PathBuf,
    /// Check this X-Kombo-Signature with the webhook secret in KOMBO_WEBHOOK_SECRET
    #[arg(short, long, value_name = "SIGNATURE", allow_hyphen_values = true)]
    pub signature: Option<String>,
    /// Which endpoints a webhook fetches, instead of the configured plan
    #[arg(long, value_parser = plan_mode())]
    pub plan: Option<PlanMode>,
    /// Endpoints instead of the configured ones: a name, or a pattern such as 'ats/*'; repeat it or use commas
    #[arg(
        short,
        long = "endpoint",
        value_name = "PATTERN",
        value_delimiter = ','
    )]
    pub endpoints: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
