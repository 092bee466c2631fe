//! What `kombo-source twin` can be told.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use super::target::WebhookTarget;
use crate::company::{ChangeRate, RateLimit, WorldSettings};

/// Where the twin listens, what it serves, and whom it tells.
#[derive(Clone)]
pub struct TwinSettings {
    /// A loopback address.
    pub address: SocketAddr,
    /// Whose data it has, and how it treats callers.
    pub world: WorldSettings,
    /// How long every answer takes at least.
    pub latency: Duration,
    /// What its webhooks are signed with.
    pub webhook_secret: String,
    /// Where webhooks go, and when; `None` for nowhere.
    pub webhooks: Option<HeraldSettings>,
    /// How much changes by itself; `None` for nothing.
    pub pace: Option<ChangeRate>,
    /// Answers below `/twin`, for tests.
    pub control: bool,
}

/// Where webhooks go, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeraldSettings {
    /// Where they go.
    pub target: WebhookTarget,
    /// An integration's changes that follow faster are told together.
    pub debounce: Duration,
    /// How many percent are never sent.
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
        }
    }
}

impl TwinSettings {
    /// Requests per minute where nothing else is said: as at Kombo.
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
            .finish_non_exhaustive()
    }
}
