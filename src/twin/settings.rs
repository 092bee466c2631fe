//! What `kombo-source twin` can be told.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use super::target::WebhookTarget;
use crate::company::{ChangeRate, Oddities, RateLimit, WorldSettings};

/// Where the twin listens, whose data it has, and how it treats callers.
#[derive(Clone)]
pub struct TwinSettings {
    /// A loopback address.
    pub address: SocketAddr,
    /// Connected customers; their categories take turns: ATS, HRIS, LMS, ASSESSMENT.
    pub integrations: u32,
    /// Rows of each integration's biggest endpoint.
    pub rows: u64,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// The world's clock at the start, in milliseconds since the epoch; `None` for the same day each time.
    pub start_ms: Option<i64>,
    /// Requests per minute for the whole key; `None` for no limit and no headers about it.
    pub rate_limit: Option<NonZeroU32>,
    /// How long every answer takes at least.
    pub latency_ms: u64,
    /// The only key that is accepted.
    pub api_key: String,
    /// Legal things that the vendor's own client cannot read.
    pub oddities: Oddities,
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
        let world = WorldSettings::default();
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8484)),
            integrations: world.integrations,
            rows: world.rows,
            seed: world.seed,
            start_ms: None,
            rate_limit: Some(Self::RATE_LIMIT),
            latency_ms: 0,
            api_key: world.api_key,
            oddities: world.oddities,
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

    /// Returns the settings of the world that is served.
    #[must_use]
    pub fn world(&self) -> WorldSettings {
        WorldSettings {
            integrations: self.integrations,
            rows: self.rows,
            seed: self.seed,
            start_ms: self.start_ms.unwrap_or(WorldSettings::default().start_ms),
            api_key: self.api_key.clone(),
            rate_limit: self.rate_limit.map(RateLimit::per_minute),
            oddities: self.oddities,
            ..WorldSettings::default()
        }
    }

    /// Returns how long every answer takes at least.
    #[must_use]
    pub fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }
}

impl fmt::Debug for TwinSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwinSettings")
            .field("address", &self.address)
            .field("world", &self.world())
            .field("latency_ms", &self.latency_ms)
            .field("webhooks", &self.webhooks)
            .field("pace", &self.pace)
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}
