//! Why nobody listens.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::setting::BadSetting;

/// Why an address is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// A setting that cannot be used.
    #[error(transparent)]
    Setting(BadSetting),
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
            Self::Setting(_) => "correct the option",
            Self::Bind { .. } => "free the port, or give another address",
            Self::Pem { .. } | Self::Pair { .. } => {
                "give a certificate chain and its private key, both in PEM"
            }
        }
    }
}
