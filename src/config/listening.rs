//! What the service listens on: that nobody else can listen in, that both addresses can be had, and that TLS has its files.

use std::net::SocketAddr;
use std::path::Path;

use super::error::{ConfigError, ConfigWarning};
use super::marks::Marks;
use super::reader::join;
use super::secret::readable_by_others;
use super::{Config, SourceSettings, TelemetrySettings};

/// Returns whether only this machine reaches an address.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Checks the addresses of the webhook and of health and metrics.
pub(super) fn check_addresses(
    source: &SourceSettings,
    telemetry: &TelemetrySettings,
    marks: &Marks,
) -> Result<(), ConfigError> {
    let other = telemetry.address;
    if telemetry.enabled && !telemetry.exposed && !is_loopback(other) {
        let problem = format!(
            "is {other}, where other machines can read metrics; use a loopback address, or add exposed: true if they may"
        );
        return Err(marks.invalid("api.address", &problem));
    }
    let Some(webhook) = &source.webhook else {
        return Ok(());
    };
    let path = join("sources", &format!("{}.webhook.address", source.name));
    let address = webhook.address;
    if webhook.is_in_the_open() {
        let problem = format!(
            "is {address}, where webhooks would come unencrypted; add tls with crt_file and key_file, or behind_proxy: true if a proxy in front ends TLS"
        );
        return Err(marks.invalid(&path, &problem));
    }
    if telemetry.enabled && clash(address, other) {
        let problem = format!(
            "is {address}, but {other} is taken by api, for health and metrics; give one of them another port"
        );
        return Err(marks.invalid(&path, &problem));
    }
    Ok(())
}

/// Two listeners cannot share a port of one address, nor of all addresses and one of them. Port 0 is any free one.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    let same = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
    one.port() == other.port() && one.port() != 0 && same
}

impl Config {
    /// Checks that the files of TLS are there, are PEM of the right kind, and are not everybody's. Whether key and
    /// certificate belong together is seen when they are used.
    pub fn check_tls_files(&self) -> Result<Option<ConfigWarning>, ConfigError> {
        let source = &self.source;
        let Some(tls) = source
            .webhook
            .as_ref()
            .and_then(|webhook| webhook.tls.as_ref())
        else {
            return Ok(None);
        };
        let path = |option| format!("sources.{}.webhook.tls.{option}", source.name);
        check_pem(&tls.crt_file, "CERTIFICATE", &path("crt_file"), &self.marks)?;
        check_pem(&tls.key_file, "PRIVATE KEY", &path("key_file"), &self.marks)?;
        let file = tls.key_file.display().to_string();
        Ok(readable_by_others(&tls.key_file)
            .then_some(ConfigWarning::SecretReadableByOthers { file }))
    }
}

/// Looks for the line that begins a block: `-----BEGIN RSA PRIVATE KEY-----` ends in what is looked for.
fn check_pem(file: &Path, what: &str, path: &str, marks: &Marks) -> Result<(), ConfigError> {
    let shown = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|source| ConfigError::FileUnreadable {
        place: marks.place(path),
        path: format!("{path} {shown:?}"),
        source,
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let end = format!("{what}-----");
    let begins = |line: &str| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&end);
    if text.lines().any(begins) {
        return Ok(());
    }
    let problem = format!(
        "names the file {shown:?}, which holds no {}; it must be in PEM",
        what.to_lowercase()
    );
    Err(marks.invalid(path, &problem))
}
