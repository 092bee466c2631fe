//! The words of `explain`.

use std::path::PathBuf;

use super::values::plan_mode;
use crate::plan::PlanMode;

/// What `explain` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source explain --payload webhook.json
  kombo-source explain --payload webhook.json --endpoint 'ats/*' --plan all
  kombo-source explain --payload webhook.json --json

A payload to try:
  echo '{\"id\": \"e1\", \"type\": \"data-changed\", \"data\": {
      \"integration_id\": \"greenhouse:8d1hpPsbjxUkoCoa1veLZGe5\",
      \"integration_category\": \"ATS\",
      \"changed_models\": [{\"name\": \"ats_jobs\"}, {\"name\": \"ats_offers\"}]
    }}' | kombo-source explain

Whether its signature is right, with the secret in KOMBO_WEBHOOK_SECRET:
  kombo-source explain -p body.json -s 7O9HDInBNb5AEuHfDQSe1824Divpjmh2orcjxZ0wa3g

Needs no key, no lake and no network. Endpoints and plan come from the configuration file, where there is one.
Exit codes: 0 explained, 1 not a webhook or a wrong signature, 64 wrong usage, 78 wrong configuration.")]
pub struct ExplainArgs {
    /// The body of a webhook, byte for byte; - for standard input
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub payload: PathBuf,
    /// Check this X-Kombo-Signature of the body against the webhook secret in the environment
    #[arg(short, long, value_name = "SIGNATURE", allow_hyphen_values = true)]
    pub signature: Option<String>,
    /// Plan as if the configuration said so: what changed, or every endpoint
    #[arg(long, value_parser = plan_mode())]
    pub plan: Option<PlanMode>,
    /// Which endpoints, in place of the configuration's: a name or a pattern such as 'ats/*'; several times or with commas
    #[arg(
        short,
        long = "endpoint",
        value_name = "PATTERN",
        value_delimiter = ','
    )]
    pub endpoints: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
