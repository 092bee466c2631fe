//! The flags of `alerts`.

use crate::metrics::{AlertOptions, RUNBOOK};

/// The flags of `alerts`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source alerts > kombo-source-alerts.yml
  kombo-source alerts --job kombo-production

Name the file under rule_files in prometheus.yml. Every rule has a severity (critical or warning), the cure as annotation runbook, and a link to the page on call as runbook_url.")]
pub struct AlertsArgs {
    /// Only targets of this scrape job; without it every target that is this program
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub job: Option<String>,
    /// Page that the rules link, if you keep it elsewhere
    #[arg(long, value_name = "URL", default_value = RUNBOOK)]
    pub runbook_url: String,
}

impl AlertsArgs {
    /// Returns how the rules fit into a Prometheus.
    #[must_use]
    pub fn options(&self) -> AlertOptions {
        AlertOptions {
            job: self.job.clone(),
            runbook_url: self.runbook_url.clone(),
        }
    }
}
