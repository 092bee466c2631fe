//! Where notifications come in, and who may see them on the way.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::listening::is_loopback;

/// Where notifications come in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// The address to listen on.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// The path Kombo posts to.
    #[serde(deserialize_with = "path")]
    pub path: String,
    /// The file with the webhook secret, for those who do not set `$KOMBO_WEBHOOK_SECRET`.
    pub secret_file: Option<PathBuf>,
    /// The file with a second secret, while Kombo's is changed; or `$KOMBO_WEBHOOK_OTHER_SECRET`.
    pub other_secret_file: Option<PathBuf>,
    /// All come through a proxy: it ends TLS, and many senders share its address.
    pub behind_proxy: bool,
    /// What TLS needs; `None` for none.
    pub tls: Option<TlsSettings>,
    /// Connections at one time.
    pub max_connections: NonZeroU32,
}

/// The files that TLS needs, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate, and those between it and the root.
    pub crt_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            // Loopback: what terminates TLS in front decides who else may come.
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            path: "/webhooks/kombo".to_owned(),
            secret_file: None,
            other_secret_file: None,
            behind_proxy: false,
            tls: None,
            max_connections: const { NonZeroU32::new(1024).expect("not zero") },
        }
    }
}

impl WebhookSettings {
    /// Returns whether other machines could post, and be listened to, without encryption.
    pub(super) fn is_in_the_open(&self) -> bool {
        !is_loopback(self.address) && self.tls.is_none() && !self.behind_proxy
    }
}

/// Reads an address with a port.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(|_| D::Error::custom("it must be an address with a port, such as 127.0.0.1:8080"))
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(D::Error::custom(
            "it must begin with /, such as /webhooks/kombo",
        ))
    }
}
