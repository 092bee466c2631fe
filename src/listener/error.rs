//! Why nobody listens.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why an address is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Webhooks would cross a network in plain text.
    #[error(
        "{address} can be reached from other machines, and there is no TLS; give tls.crt_file and tls.key_file, \
         or set behind_proxy: true where a proxy ends TLS, or listen on 127.0.0.1"
    )]
    Plaintext {
        /// Where.
        address: SocketAddr,
    },
    /// Health and metrics would be open to other machines.
    #[error("{address} can be reached from other machines; health and metrics are for 127.0.0.1")]
    Public {
        /// Where.
        address: SocketAddr,
    },
    /// No path could match it.
    #[error(
        "the webhook path {path:?} does not begin with a slash, or holds what no path can hold"
    )]
    Path {
        /// What was given.
        path: String,
    },
    /// The system refuses the address.
    #[error("cannot listen on {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A PEM file that cannot be read, or holds nothing of use.
    #[error("cannot read {what} from {}: {reason}", file.display())]
    Pem {
        /// A certificate or a key.
        what: &'static str,
        /// Which file.
        file: PathBuf,
        /// Why. Says nothing of what is in it.
        reason: String,
    },
    /// A certificate and a key that rustls does not take together.
    #[error("{} and {} do not go together: {reason}", crt_file.display(), key_file.display())]
    Pair {
        /// The chain.
        crt_file: PathBuf,
        /// The key.
        key_file: PathBuf,
        /// Why.
        reason: String,
    },
}

impl ListenError {
    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Plaintext { .. } => "end TLS here or in front, or listen on a loopback address",
            Self::Public { .. } => "listen on a loopback address, or say that others may ask",
            Self::Path { .. } => "give a path such as /webhooks/kombo",
            Self::Bind { .. } => "free the port, or give another address",
            Self::Pem { .. } | Self::Pair { .. } => {
                "give a certificate chain and its private key, both in PEM"
            }
        }
    }
}
