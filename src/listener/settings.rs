//! Where webhooks come in, where health and metrics are answered, and how much of anything a stranger may use.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use serde::de::{Deserialize, Deserializer, Error};

use crate::setting::BadSetting;
use crate::webhook::MAX_BODY_BYTES;

/// Where and how to listen for webhooks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerSettings {
    /// The address to listen on.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// The one path that answers: the one entered at Kombo.
    pub path: String,
    /// The file with the webhook secret, for those who do not set `$KOMBO_WEBHOOK_SECRET`.
    pub secret_file: Option<PathBuf>,
    /// The file with a second secret, while Kombo's is changed; or `$KOMBO_WEBHOOK_OTHER_SECRET`.
    pub other_secret_file: Option<PathBuf>,
    /// A proxy ends TLS in front: plain text from other machines is fine, and all of it comes from one address.
    pub behind_proxy: bool,
    /// Ends TLS here.
    pub tls: Option<TlsFiles>,
    /// What nobody may exceed. A file says how many connections, and nothing else of it.
    #[serde(rename = "max_connections", deserialize_with = "connections")]
    pub limits: ListenerLimits,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            // Loopback: what ends TLS in front decides who else may come.
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
    /// Checks what can be checked without listening: the path, and that nothing crosses a network in plain text.
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

    /// Returns whether the two cannot both be listened on: one port of one address, or of all and one of them. Port 0 is
    /// any free one.
    #[must_use]
    pub fn takes_port_of(&self, other: SocketAddr) -> bool {
        let one = self.address;
        let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
        let same = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
        one.port() == other.port() && one.port() != 0 && same
    }

    /// Returns whether a listener with the other settings would be the same: secrets may come from elsewhere.
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

/// Where `GET /health` and `GET /metrics` are answered. Vector calls this section `api`, and so does the file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Whether they are at all.
    pub enabled: bool,
    /// The address to listen on.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// Whether other machines may ask.
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
    /// Checks that other machines read metrics only where that is meant.
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

/// Returns whether only this machine reaches an address.
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

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub crt_file: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key_file: PathBuf,
}

/// What nobody may exceed. The defaults let Kombo's webhooks through many times over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Bytes of a body: 64 KiB. Kombo's have one or three.
    pub body_bytes: usize,
    /// Bytes of a request's headers: 16 KiB; HTTP/1.1 needs 8 KiB at least.
    pub header_bytes: usize,
    /// Headers of a request: 64.
    pub headers: usize,
    /// From a connection or a request's first byte to the end of its headers: 5 s.
    pub header_time: Duration,
    /// From the end of the headers to the end of the body: 10 s.
    pub body_time: Duration,
    /// From the end of the headers to the answer: 15 s. Shutdown waits as long.
    pub request_time: Duration,
    /// For a TLS handshake: 10 s.
    pub handshake_time: Duration,
    /// Between two requests of a connection: 60 s.
    pub idle_time: Duration,
    /// Connections at a time: 1,024.
    pub connections: usize,
    /// Connections at a time from one address, a /64 in IPv6: 64. Not applied behind a proxy.
    pub connections_per_address: usize,
    /// Requests at a time on one HTTP/2 connection: 64.
    pub streams: u32,
    /// Unsigned requests a second from one address: 50. More are told to wait.
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
            streams: 64,
            strangers_per_second: 50,
        }
    }
}
