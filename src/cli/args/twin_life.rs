//! How the twin's companies change, and whom it tells.

use std::num::NonZeroU32;

use super::values::{instant, positive, webhook_url};
use crate::time::Moment;
use crate::twin::WebhookTarget;

/// What changes by itself, and where its webhooks go.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Changes and webhooks")]
pub struct TwinLifeArgs {
    /// Send signed webhooks to this URL on loopback
    #[arg(long, value_name = "URL", value_parser = webhook_url)]
    pub webhook_url: Option<WebhookTarget>,
    /// Hire, edit, rename and delete so many records a minute, in all integrations together
    #[arg(long, value_name = "N", value_parser = positive)]
    pub changes_per_minute: Option<NonZeroU32>,
    /// Let integrations come, go and pause, too, and models be switched off and on
    #[arg(long, requires = "changes_per_minute")]
    pub turnover: bool,
    /// Tell changes of an integration that follow each other faster than this together
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    pub debounce_ms: u64,
    /// Never send so many percent of the webhooks
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub lose_webhooks: u8,
    /// Let its clock show the time of this machine instead of January 2026; other days make other records
    #[arg(long)]
    pub now: bool,
    /// Start its clock at this instant, such as 2026-01-05T08:00:00.000Z; other days make other records
    #[arg(long, value_name = "INSTANT", value_parser = instant, conflicts_with = "now")]
    pub start: Option<Moment>,
    /// Answer below /twin, where a test can look and meddle
    #[arg(long)]
    pub control: bool,
}
