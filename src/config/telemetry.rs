//! Where the service says how it is. Vector calls this section `api`, and so does the file.

use std::net::SocketAddr;

use serde::Deserialize;

use super::webhook::address;

/// Where `GET /health` and `GET /metrics` are answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
