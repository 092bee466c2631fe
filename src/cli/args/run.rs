//! The words of `run`.

use std::time::Duration;

use super::SettingsArgs;

/// What `run` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kombo-source run
  kombo-source run --config /etc/kombo-source/kombo.yaml --log-format json
  curl http://127.0.0.1:8686/health            is it up
  curl http://127.0.0.1:8686/metrics           for Prometheus; `kombo-source dashboard` prints one for Grafana
  kombo-source status                          how fresh each customer's tables are

Without webhook in the configuration it fetches on schedule only. Secrets come from KOMBO_API_KEY and
KOMBO_WEBHOOK_SECRET, or from the files that api_key_file and webhook.secret_file name.

Signals: SIGTERM or Ctrl-C end it once what is under way is committed, the second one at once. SIGHUP reads the
configuration, the secrets and the certificate again, and keeps the old ones when the new ones are wrong.

Exit codes: 0 ended by a signal, 1 it could not start or failed, 64 wrong usage, 78 wrong configuration,
130 ended by a second signal.")]
pub struct RunArgs {
    /// How long fetches may go on after SIGTERM before they are thrown away
    #[arg(long, value_name = "SECS", default_value_t = 60)]
    pub graceful_shutdown_limit_secs: u64,
    /// Settings above the file.
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
