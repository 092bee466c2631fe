//! The kinds of trouble: what each means, how much data it stops, how long it may last unsaid, and its cure.

use std::time::Duration;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TroubleKind {
    /// Kombo refuses the API key, or this machine's address for the key.
    KeyRefused,
    /// Kombo cannot be reached, or answers with errors of its own.
    KomboUnreachable,
    /// No request may leave for a long time, because the rate limit is used up.
    WaitingForRate,
    /// The service knows no integration, so it has nothing to fetch.
    NoIntegrations,
    /// Nothing can be written to the lake.
    LakeUnwritable,
    /// A part of the lake is damaged or cannot be read.
    LakeUnreadable,
    /// Fetches of some tables fail again and again.
    FetchesFailing,
    /// Tables are older than the freshness objective.
    Late,
    /// The guard holds changes of some tables back.
    Held,
    /// Folds into `current` fail.
    FoldFailing,
    /// Webhooks come, and none has a valid signature.
    WebhooksRefused,
    /// Webhooks do not come although data changes.
    NoWebhooks,
    /// This machine's clock differs much from Kombo's.
    ClockSkewed,
    /// The disk of the lake is nearly full.
    DiskNearlyFull,
    /// Upkeep fails, so old files pile up.
    UpkeepFailing,
    /// The service has written no notes for minutes. Only `status` can see this.
    ServiceSilent,
}

/// How much data a trouble stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stops {
    /// Data flows, but later or at a higher cost, or will stop when nothing is done.
    Nothing,
    /// The data of some tables does not flow.
    Some,
    /// No data flows.
    All,
}

impl Stops {
    /// Returns the name in JSON and in labels: `none`, `some` or `all`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Some => "some",
            Self::All => "all",
        }
    }
}

impl TroubleKind {
    /// All kinds, those that stop the most data first.
    pub const ALL: [Self; 16] = [
        Self::KeyRefused,
        Self::KomboUnreachable,
        Self::WaitingForRate,
        Self::NoIntegrations,
        Self::LakeUnwritable,
        Self::ServiceSilent,
        Self::LakeUnreadable,
        Self::FetchesFailing,
        Self::Late,
        Self::Held,
        Self::FoldFailing,
        Self::WebhooksRefused,
        Self::NoWebhooks,
        Self::ClockSkewed,
        Self::DiskNearlyFull,
        Self::UpkeepFailing,
    ];

    /// Returns the name in metrics, JSON and headings of the manual.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyRefused => "key_refused",
            Self::KomboUnreachable => "kombo_unreachable",
            Self::WaitingForRate => "waiting_for_rate",
            Self::NoIntegrations => "no_integrations",
            Self::LakeUnwritable => "lake_unwritable",
            Self::LakeUnreadable => "lake_unreadable",
            Self::FetchesFailing => "fetches_failing",
            Self::Late => "late",
            Self::Held => "held",
            Self::FoldFailing => "fold_failing",
            Self::WebhooksRefused => "webhooks_refused",
            Self::NoWebhooks => "no_webhooks",
            Self::ClockSkewed => "clock_skewed",
            Self::DiskNearlyFull => "disk_nearly_full",
            Self::UpkeepFailing => "upkeep_failing",
            Self::ServiceSilent => "service_silent",
        }
    }

    /// Returns the kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns what happens, as a sentence without a full stop.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::KeyRefused => "Kombo refuses the API key, so nothing is fetched",
            Self::KomboUnreachable => "Kombo does not answer, so nothing is fetched",
            Self::WaitingForRate => {
                "Kombo's rate limit is used up, so nothing is fetched until the wait is over"
            }
            Self::NoIntegrations => "no integration is known, so there is nothing to fetch",
            Self::LakeUnwritable => {
                "the lake cannot be reached or written, so no row that is fetched becomes visible"
            }
            Self::LakeUnreadable => "a part of the lake cannot be read",
            Self::FetchesFailing => "tables fail to be fetched again and again",
            Self::Late => "tables are older than the freshness objective",
            Self::Held => "the guard holds changes back, so `current` does not show them",
            Self::FoldFailing => "tables cannot be folded into `current`, so readers see old rows",
            Self::WebhooksRefused => {
                "webhooks are refused for their signature, so changes are seen only by polling"
            }
            Self::NoWebhooks => "webhooks seem not to arrive, so changes are seen only by polling",
            Self::ClockSkewed => "this machine's clock differs from Kombo's",
            Self::DiskNearlyFull => "the disk of the lake is nearly full",
            Self::UpkeepFailing => "upkeep fails, so old files and log entries are not removed",
            Self::ServiceSilent => {
                "a service that has not ended writes no notes to the lake any more"
            }
        }
    }

    /// Returns what the operator does about it. A report may bring a more exact cure.
    #[must_use]
    pub fn cure(self) -> &'static str {
        match self {
            Self::KeyRefused => {
                "correct the file of api_key_file and send SIGHUP, or restart the service with the right KOMBO_API_KEY; check that the region is the key's own"
            }
            Self::KomboUnreachable => {
                "check that this machine reaches the API's address (name resolution, firewall, proxy) and Kombo's status page; the service goes on by itself"
            }
            Self::WaitingForRate => {
                "wait; if it stays, lower request.rate_limit_num, or find out which other program uses the same key"
            }
            Self::NoIntegrations => {
                "list the ids of your customers' integrations under `integrations`, or wait for Kombo's first webhook"
            }
            Self::LakeUnwritable => {
                "run `kombo-source check`, which tries the store step by step and says what fails"
            }
            Self::LakeUnreadable => {
                "run `kombo-source repair`, which lists what it would change, and then again with --yes"
            }
            Self::FetchesFailing => {
                "run `kombo-source status --all`, which shows the error of each table"
            }
            Self::Late => {
                "run `kombo-source status`, which names the tables; if nothing else is wrong, the rate limit is too small for them"
            }
            Self::Held => {
                "`kombo-source status` says which rows would go and prints the `kombo-source accept` that accepts it; or wait for the confirmation"
            }
            Self::FoldFailing => "run `kombo-source fold`, which prints the error of each table",
            Self::WebhooksRefused => {
                "compare the webhook's secret in Kombo's dashboard with the configured one, correct it and send SIGHUP"
            }
            Self::NoWebhooks => {
                "check the webhook's address and state in Kombo's dashboard, and that the address is reachable from outside"
            }
            Self::ClockSkewed => {
                "synchronise this machine's clock, for example with chrony or systemd-timesyncd"
            }
            Self::DiskNearlyFull => "make room on the disk, or move the lake",
            Self::UpkeepFailing => "run `kombo-source upkeep`, which prints the error",
            Self::ServiceSilent => {
                "see whether the service still runs, and read the end of its log; start it again"
            }
        }
    }

    /// Returns how much data it stops.
    #[must_use]
    pub fn stops(self) -> Stops {
        match self {
            Self::KeyRefused
            | Self::KomboUnreachable
            | Self::WaitingForRate
            | Self::NoIntegrations
            | Self::LakeUnwritable
            | Self::ServiceSilent => Stops::All,
            Self::LakeUnreadable
            | Self::FetchesFailing
            | Self::Late
            | Self::Held
            | Self::FoldFailing => Stops::Some,
            Self::WebhooksRefused
            | Self::NoWebhooks
            | Self::ClockSkewed
            | Self::DiskNearlyFull
            | Self::UpkeepFailing => Stops::Nothing,
        }
    }

    /// Returns how long it may last before it counts: faults that pass by themselves are no trouble.
    #[must_use]
    pub fn grace(self) -> Duration {
        match self {
            Self::KomboUnreachable | Self::LakeUnwritable => Duration::from_secs(20),
            Self::FetchesFailing => Duration::from_mins(10),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_different_and_are_found_again() {
        for kind in TroubleKind::ALL {
            assert_eq!(TroubleKind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(TroubleKind::from_name("other"), None);
    }

    #[test]
    fn what_stops_the_most_data_comes_first() {
        let stops = TroubleKind::ALL.map(TroubleKind::stops);
        assert!(stops.is_sorted_by(|a, b| a >= b), "{stops:?}");
    }
}
