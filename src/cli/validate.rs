//! `validate`: checks the configuration without a network, and prints what it amounts to.

use super::cli_error::CliError;
use super::failed::text;
use super::session::Session;
use super::terminal::Terminal;
use crate::config::Config;
use crate::lake::FolderRisk;
use crate::listener::{ListenerSettings, TelemetrySettings};
use crate::service::SourceSettings;
use crate::words::counted;

/// Prints a line per part of the configuration.
pub(super) fn run(session: &Session) -> Result<(), CliError> {
    let Config {
        source,
        sink,
        telemetry,
        ..
    } = &session.config;
    Session::warn(session.config.check_named_files()?);
    Session::warn(FolderRisk::of(&session.config.data_dir));
    let (selected, all) = (session.endpoints.len(), session.catalog.endpoints().len());
    let integrations = integrations(source);
    let lines = [
        format!(
            "ok      source {}: {integrations}, {selected} of {all} endpoints",
            source.name
        ),
        format!("ok      webhook: {}", webhook(source)),
        format!("ok      health and metrics: {}", health(telemetry)),
        format!("ok      sink {}: {}", sink.name, sink.lake.url),
    ];
    Terminal::stdout().print(&text(&lines));
    Ok(())
}

fn integrations(source: &SourceSettings) -> String {
    match (source.integrations.len(), source.webhook.is_some()) {
        (0, true) => "the integrations that the lake knows and that webhooks name".to_owned(),
        (0, false) => "the integrations that the lake knows".to_owned(),
        (listed, _) => counted(listed as u64, "integration"),
    }
}

fn webhook(source: &SourceSettings) -> String {
    let Some(webhook) = &source.webhook else {
        return "none, so tables are fetched on schedule only".to_owned();
    };
    let ListenerSettings { address, path, .. } = webhook;
    let secure = if webhook.tls.is_some() { "s" } else { "" };
    let proxy = webhook.behind_proxy.then_some(", behind a proxy");
    format!(
        "http{secure}://{address}{path}{}",
        proxy.unwrap_or_default()
    )
}

fn health(telemetry: &TelemetrySettings) -> String {
    if telemetry.enabled {
        format!("http://{}", telemetry.address)
    } else {
        "off".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[test]
    fn a_person_reads_where_webhooks_come_in() {
        let overrides = Overrides {
            lake_url: Some("memory:".to_owned()),
            ..Overrides::default()
        };
        let mut source = Config::from_overrides(&overrides).expect("enough").source;
        assert!(webhook(&source).starts_with("none"));
        assert_eq!(
            integrations(&source),
            "the integrations that the lake knows"
        );
        source.webhook = Some(ListenerSettings::default());
        assert_eq!(webhook(&source), "http://127.0.0.1:8080/webhooks/kombo");
        source.webhook = Some(ListenerSettings {
            behind_proxy: true,
            ..ListenerSettings::default()
        });
        assert!(webhook(&source).ends_with("/webhooks/kombo, behind a proxy"));
    }
}
