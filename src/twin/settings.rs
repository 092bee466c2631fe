//! Settings of a served twin.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::target::WebhookTarget;
use crate::company::{ChangeRate, RateLimit, WorldSettings};

/// Where the twin listens, what it serves, and where its webhooks go.
#[derive(Clone)]
pub struct TwinSettings {
    /// A loopback address.
    pub address: SocketAddr,
    /// The customers, and how the API treats callers.
    pub world: WorldSettings,
    /// Least time of every answer.
    pub latency: Duration,
    /// Secret that signs the webhooks.
    pub webhook_secret: String,
    /// Where and when webhooks are sent; with `None` none is sent.
    pub webhooks: Option<HeraldSettings>,
    /// Rate of changes; with `None` nothing changes.
    pub pace: Option<ChangeRate>,
    /// Whether the control below `/twin` exists, for tests.
    pub control: bool,
    /// Folder for the truth. The control writes here and below, and with `None` nowhere.
    pub truth: Option<PathBuf>,
}

/// Where and when webhooks are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeraldSettings {
    /// URL of the receiver.
    pub target: WebhookTarget,
    /// Least time between two webhooks of an integration. Changes that follow faster are sent together.
    pub debounce: Duration,
    /// Percentage of webhooks that are never sent.
    pub lost_percent: u8,
}

impl Default for TwinSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8484)),
            world: WorldSettings {
                rate_limit: Some(RateLimit::per_minute(Self::RATE_LIMIT)),
                ..WorldSettings::default()
            },
            latency: Duration::ZERO,
            webhook_secret: "twin-webhook-secret".to_owned(),
            webhooks: None,
            pace: None,
            control: false,
            truth: None,
        }
    }
}

impl TwinSettings {
    /// Default of requests per minute: the number in Kombo's documentation.
    pub const RATE_LIMIT: NonZeroU32 = NonZeroU32::new(300).expect("not zero");
}

impl fmt::Debug for TwinSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwinSettings")
            .field("address", &self.address)
            .field("world", &self.world)
            .field("latency", &self.latency)
            .field("webhooks", &self.webhooks)
            .field("pace", &self.pace)
            .field("control", &self.control)
            .field("truth", &self.truth)
            .finish_non_exhaustive()
    }
}
