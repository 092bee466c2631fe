//! Where webhooks come in, and how much of anything a stranger may use.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::webhook::MAX_BODY_BYTES;

/// Where and how to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Where.
    pub address: SocketAddr,
    /// The one path that answers.
    pub path: String,
    /// A proxy ends TLS in front: plain text from other machines is fine, and all of it comes from one address.
    pub behind_proxy: bool,
    /// Ends TLS here.
    pub tls: Option<TlsFiles>,
    /// What nobody may exceed.
    pub limits: Limits,
}

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub crt_file: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key_file: PathBuf,
}

/// What nobody may exceed. The defaults let Kombo's webhooks through many times over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
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

impl Default for Limits {
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
