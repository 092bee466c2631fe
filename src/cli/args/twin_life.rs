//! The flags of `twin` about changes and webhooks.

use std::num::NonZeroU32;

use super::values::{instant, positive, webhook_url};
use crate::time::Moment;
use crate::twin::WebhookTarget;

/// How companies change by themselves, and where webhooks go.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Changes and webhooks")]
pub struct TwinLifeArgs {
    /// Send signed webhooks to this URL on loopback
    #[arg(long, value_name = "URL", value_parser = webhook_url)]
    pub webhook_url: Option<WebhookTarget>,
    /// Hire, edit, rename and delete N records per minute, over all integrations
    #[arg(long, value_name = "N", value_parser = positive)]
    pub changes_per_minute: Option<NonZeroU32>,
    /// Also create, delete and pause integrations, and switch models off and on
    #[arg(long, requires = "changes_per_minute")]
    pub turnover: bool,
    /// Put changes of an integration within this time into one webhook, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    pub debounce_ms: u64,
    /// Share of webhooks that are never sent, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub lose_webhooks: u8,
    /// Use the time of this machine instead of January 2026; other days make other records
    #[arg(long)]
    pub now: bool,
    /// Start the clock of the twin at this instant, such as 2026-01-05T08:00:00.000Z; other days make other records
    #[arg(long, value_name = "INSTANT", value_parser = instant, conflicts_with = "now")]
    pub start: Option<Moment>,
    /// Serve /twin, by which tests read and change the state of the twin; it writes files only below `--truth`
    #[arg(long)]
    pub control: bool,
}
