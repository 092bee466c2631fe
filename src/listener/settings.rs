//! Settings of the listener and of the address for health and metrics, with their limits.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use serde::de::{Deserialize, Deserializer, Error};

use crate::setting::BadSetting;
use crate::webhook::MAX_BODY_BYTES;

/// Where and how webhooks are received.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerSettings {
    /// Address and port on which webhooks come in. A loopback address expects a proxy in front that ends TLS. Any
    /// other address needs `tls`, or `behind_proxy: true`.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// Path that takes webhooks: the path of the address that you enter at Kombo. Every other path is answered with
    /// 404.
    pub path: String,
    /// File that holds Kombo's webhook secret. The variable `KOMBO_WEBHOOK_SECRET` wins over the file.
    pub secret_file: Option<PathBuf>,
    /// File that holds a second webhook secret, which is accepted as well while Kombo's secret is changed. The
    /// variable `KOMBO_WEBHOOK_OTHER_SECRET` wins over the file.
    pub other_secret_file: Option<PathBuf>,
    /// Whether a proxy in front ends TLS. Plain text from other machines is then accepted, and the limits per address are
    /// off, because all requests come from the proxy.
    pub behind_proxy: bool,
    /// Certificate and key, for TLS without a proxy.
    pub tls: Option<TlsFiles>,
    /// Most connections at one time. A further connection takes the place of the one that was idle longest. A
    /// connection that is being answered is never closed.
    ///
    /// Of [`ListenerLimits`] the configuration file sets this one alone.
    #[serde(rename = "max_connections", deserialize_with = "connections")]
    pub limits: ListenerLimits,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            // Loopback only: whatever ends TLS in front decides who may connect.
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            path: "/webhooks/kombo".to_owned(),
            secret_file: None,
            other_secret_file: None,
            behind_proxy: false,
            tls: None,
            limits: ListenerLimits::default(),
        }
    }
}

impl ListenerSettings {
    /// Checks what can be checked without listening: the path, and that webhooks do not cross a network unencrypted.
    pub fn check(&self) -> Result<(), BadSetting> {
        let Self { address, path, .. } = self;
        let taken_whole = path.parse::<Uri>().is_ok_and(|uri| uri.path() == path);
        if !path.starts_with('/') || !taken_whole {
            let problem = "is wrong: it must begin with /, such as /webhooks/kombo";
            return Err(BadSetting::new("path", problem));
        }
        if !is_loopback(*address) && self.tls.is_none() && !self.behind_proxy {
            let problem = format!(
                "is {address}, where webhooks would come unencrypted; add tls with crt_file and key_file, or behind_proxy: true if a proxy in front ends TLS"
            );
            return Err(BadSetting::new("address", problem));
        }
        Ok(())
    }

    /// Returns whether both addresses cannot be listened on at once: they share a port on one address, or one of them
    /// covers all addresses. Port 0 means any free port, and never conflicts.
    #[must_use]
    pub fn takes_port_of(&self, other: SocketAddr) -> bool {
        let one = self.address;
        let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
        let same = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
        one.port() == other.port() && one.port() != 0 && same
    }

    /// Returns whether a listener with the other settings would be the same. Files with secrets may differ.
    #[must_use]
    pub fn listens_as(&self, other: &Self) -> bool {
        let without_secrets = |settings: &Self| Self {
            secret_file: None,
            other_secret_file: None,
            ..settings.clone()
        };
        without_secrets(self) == without_secrets(other)
    }
}

/// Where `GET /health` and `GET /metrics` are answered. Vector calls this section `api`, and so does the configuration
/// file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Whether the service answers `GET /live`, `/ready`, `/health` and `/metrics`.
    pub enabled: bool,
    /// Address and port on which health and metrics are answered.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// Whether other machines may read health and metrics. An address that is not loopback is refused without this,
    /// because nobody has to sign in. Without this, requests must name `localhost` or an address of loopback as their
    /// host; with it, any name is answered, such as the service name that Prometheus scrapes.
    pub exposed: bool,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            address: SocketAddr::from(([127, 0, 0, 1], 8686)),
            exposed: false,
        }
    }
}

impl TelemetrySettings {
    /// Checks that other machines can read the pages only if `exposed` is set.
    pub fn check(&self) -> Result<(), BadSetting> {
        let Self { address, .. } = self;
        if !self.enabled || self.exposed || is_loopback(*address) {
            return Ok(());
        }
        let problem = format!(
            "is {address}, where other machines can read metrics; use a loopback address, or add exposed: true if they may"
        );
        Err(BadSetting::new("address", problem))
    }
}

/// Returns whether only this machine can reach the address.
fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(|_| D::Error::custom("it must be an address with a port, such as 127.0.0.1:8080"))
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ListenerLimits, D::Error> {
    let connections = NonZeroU32::deserialize(deserializer)?.get() as usize;
    Ok(ListenerLimits {
        connections,
        ..ListenerLimits::default()
    })
}

/// A certificate chain and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// PEM file of the certificate chain: the server's own certificate first, then those between it and the root.
    pub crt_file: PathBuf,
    /// PEM file of the private key: PKCS #8, PKCS #1 or SEC 1.
    pub key_file: PathBuf,
}

/// Limits that no sender may exceed. Kombo's webhooks stay far below the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Bytes of a body: 64 KiB. A body of Kombo has about 1 to 3 KiB.
    pub body_bytes: usize,
    /// Bytes of the headers of a request: 16 KiB. HTTP/1.1 needs at least 8 KiB.
    pub header_bytes: usize,
    /// Number of headers of a request: 64.
    pub headers: usize,
    /// Time from the start of a connection or the first byte of a request to the end of its headers: 5 s.
    pub header_time: Duration,
    /// Time from the end of the headers to the end of the body: 10 s.
    pub body_time: Duration,
    /// Time from the end of the headers to the answer: 15 s. A shutdown waits as long for open requests.
    pub request_time: Duration,
    /// Time for a TLS handshake: 10 s.
    pub handshake_time: Duration,
    /// Time between two requests of a connection: 60 s.
    pub idle_time: Duration,
    /// Number of connections at a time: 1,024.
    pub connections: usize,
    /// Number of connections at a time from one address (a /64 network in IPv6): 64. Does not apply behind a proxy.
    pub connections_per_address: usize,
    /// Bytes of all bodies over 4 KiB that are received at a time: 16 MiB. One address gets at most a quarter, except behind a
    /// proxy. A quarter is kept for addresses that delivered a signed webhook within the last hour.
    pub bodies_bytes: usize,
    /// Unsigned requests per second from one address: 50. Further ones are answered 429, and their bodies are not read. Does
    /// not apply behind a proxy, nor to an address that delivered a signed webhook within the last hour.
    pub strangers_per_second: u32,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            body_bytes: MAX_BODY_BYTES,
            header_bytes: 16 * 1024,
            headers: 64,
            header_time: Duration::from_secs(5),
            body_time: Duration::from_secs(10),
            request_time: Duration::from_secs(15),
            handshake_time: Duration::from_secs(10),
            idle_time: Duration::from_mins(1),
            connections: 1024,
            connections_per_address: 64,
            bodies_bytes: 16 * 1024 * 1024,
            strangers_per_second: 50,
        }
    }
}
