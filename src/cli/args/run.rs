//! The flags of `run`.

use std::time::Duration;

use super::SettingsArgs;

/// The flags of `run`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source run
  kombo-source run --config /etc/kombo-source/kombo.yaml --log-format json

What goes wrong, and how fresh are the tables:
  curl http://127.0.0.1:8686/health
  kombo-source status

Metrics for Prometheus, and a dashboard for Grafana:
  curl http://127.0.0.1:8686/metrics
  kombo-source dashboard > kombo-source.json

Without webhook in the configuration it fetches on schedule only. Secrets come from KOMBO_API_KEY and KOMBO_WEBHOOK_SECRET, \
or from the files that api_key_file and webhook.secret_file name.

Signals: SIGTERM or Ctrl-C end the service when running fetches are committed, a second one ends it at once. SIGHUP reads the \
configuration, the secrets and the certificate again, and keeps the old ones when the new ones are wrong.

Exit codes: 0 ended by a signal, 1 could not start or failed, 64 wrong usage, 77 Kombo refuses the API key at the start, 78 wrong \
configuration, 130 ended by a second signal.")]
pub struct RunArgs {
    /// How long running fetches may go on after SIGTERM, in seconds
    #[arg(long, value_name = "SECS", default_value_t = 60)]
    pub graceful_shutdown_limit_secs: u64,
    /// Settings above the configuration file.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

impl RunArgs {
    /// Returns how long fetches may go on after SIGTERM.
    #[must_use]
    pub fn drain_limit(&self) -> Duration {
        Duration::from_secs(self.graceful_shutdown_limit_secs)
    }
}
