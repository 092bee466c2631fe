//! `validate`: what the configuration comes to, checked without a network.

use super::failure::Failure;
use super::session::Session;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::listener::{ListenerSettings, TelemetrySettings};
use crate::service::SourceSettings;

/// Prints a line per part.
pub(super) fn run(session: &Session, catalog: &Catalog) -> Result<(), Failure> {
    let Config {
        source,
        sink,
        telemetry,
        ..
    } = &session.config;
    let warnings = session.config.check_tls_files()?.into_iter();
    for warning in warnings.chain(session.config.check_webhook_secrets()?) {
        eprintln!("warning: {warning}");
    }
    let (selected, all) = (session.endpoints.len(), catalog.endpoints().len());
    println!(
        "ok      source {}: {} integrations, {selected} of {all} endpoints",
        source.name,
        source.integrations.len()
    );
    println!("ok      webhook: {}", webhook(source));
    println!("ok      health and metrics: {}", health(telemetry));
    println!("ok      sink {}: {}", sink.name, sink.lake.url);
    Ok(())
}

fn webhook(source: &SourceSettings) -> String {
    let Some(webhook) = &source.webhook else {
        return "none, so tables are fetched on schedule only".to_owned();
    };
    let ListenerSettings { address, path, .. } = webhook;
    let scheme = if webhook.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let proxy = if webhook.behind_proxy {
        ", behind a proxy"
    } else {
        ""
    };
    format!("{scheme}://{address}{path}{proxy}")
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
        source.webhook = Some(ListenerSettings::default());
        assert_eq!(webhook(&source), "http://127.0.0.1:8080/webhooks/kombo");
        source.webhook = Some(ListenerSettings {
            behind_proxy: true,
            ..ListenerSettings::default()
        });
        assert!(webhook(&source).ends_with("/webhooks/kombo, behind a proxy"));
    }
}
