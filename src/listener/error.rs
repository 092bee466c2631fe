//! Why the listener cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::setting::BadSetting;

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// A setting has an invalid value.
    #[error(transparent)]
    Setting(BadSetting),
    /// The system refuses to listen on the address.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A PEM file cannot be read, or does not hold what is expected.
    #[error("cannot read {what} from {}: {reason}", file.display())]
    Pem {
        /// What the file should hold: a certificate or a private key.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// The reason, without any content of the file.
        reason: String,
    },
    /// The certificate and the key do not belong together.
    #[error("{} and {} do not belong together: {reason}", crt_file.display(), key_file.display())]
    Pair {
        /// File with the certificate chain.
        crt_file: PathBuf,
        /// File with the private key.
        key_file: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl ListenError {
    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Setting(_) => "correct the setting that the error names",
            Self::Bind { .. } => "free the port, or configure another address",
            Self::Pem { .. } | Self::Pair { .. } => {
                "configure a certificate chain and its private key, both as PEM files"
            }
        }
    }
}
