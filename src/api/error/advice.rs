//! The advice for the operator for each error, and the name of each error in metrics.

use super::{ApiError, LostAnswer};
use crate::plan::{ModelOff, Standing};

impl ApiError {
    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Parked { standing, .. } => advice_while_parked(standing),
            Self::SkipEndpoint {
                reason: ModelOff::Disabled,
                ..
            } => {
                "enable the model in the integration's scope configuration at Kombo, or remove the endpoint from the configuration"
            }
            Self::SkipEndpoint { .. } => {
                "nothing to do: the connected tool does not offer the model, and the other endpoints are fetched"
            }
            Self::IntegrationGone { .. } => {
                "check the integration id, and that the key belongs to its environment and region; or remove the integration from the configuration"
            }
            Self::IntegrationUnauthorized { .. } => "ask the customer to connect the tool again",
            Self::PermissionMissing { .. } => {
                "ask the customer to grant the connected account the permission named in Kombo's dashboard"
            }
            Self::KeyRejected { .. } => {
                "check the API key and the region: a key of one region does not work in another"
            }
            Self::AddressRejected { .. } => {
                "add this machine's address to the key's allow-list in Kombo's dashboard"
            }
            // Seen only when further walks from the first page met the same refusal.
            Self::CursorDied { .. } => {
                "every walk of the fetch met this refusal: a running service tries again by itself, a command has to be run again later; if the error stays, report the endpoint and the code to Kombo"
            }
            Self::InvalidRequest { .. } => {
                "this is a bug in kombo-source: please report it with the endpoint and the code"
            }
            Self::NotFound { .. } => {
                "check the endpoint address in the configuration, and that the server knows the path"
            }
            Self::RateLimited { .. } => {
                "lower request.rate_limit_num if other programs use the same key; a running service tries again by itself, a command has to be run again later"
            }
            Self::Unavailable { .. } => {
                "check Kombo's status page; a running service tries again by itself, a command has to be run again later"
            }
            Self::Unreachable { reason, .. } => advice_when_lost(*reason),
            Self::Refused { .. } => {
                "look up the code in Kombo's documentation, and the request in Kombo's dashboard"
            }
            Self::Redirected { .. } => {
                "set region or endpoint to the API's own address: redirects are not followed, so that no other server gets the key"
            }
            Self::TooLarge { .. } => {
                "lower request.page_size, or raise request.max_page_bytes if memory allows"
            }
            Self::NotJson | Self::Unexpected { .. } => {
                "check that region or endpoint names Kombo's API and that no proxy answers in its place"
            }
        }
    }

    /// Returns a short fixed name, for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Parked { .. } => "parked",
            Self::SkipEndpoint { .. } => "skip_endpoint",
            Self::IntegrationGone { .. } => "integration_gone",
            Self::IntegrationUnauthorized { .. } => "integration_unauthorized",
            Self::PermissionMissing { .. } => "permission_missing",
            Self::KeyRejected { .. } => "key_rejected",
            Self::AddressRejected { .. } => "address_rejected",
            Self::CursorDied { .. } => "cursor_died",
            Self::InvalidRequest { .. } => "invalid_request",
            Self::NotFound { .. } => "not_found",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Redirected { .. } => "redirected",
            Self::TooLarge { .. } => "too_large",
            Self::NotJson => "not_json",
            Self::Unexpected { .. } => "unexpected",
        }
    }
}

fn advice_while_parked(standing: &Standing) -> &'static str {
    match standing {
        Standing::SetupPending => "wait: Kombo's first sync of an integration may take hours",
        Standing::SetupIncomplete => "ask the customer to finish the connection flow",
        Standing::QaFailed => "ask Kombo's support about the integration's failed quality check",
        Standing::Inactive => {
            "switch the integration on in Kombo's dashboard, or remove it from the configuration"
        }
        _ => "check the integration's state in Kombo's dashboard",
    }
}

fn advice_when_lost(reason: LostAnswer) -> &'static str {
    match reason {
        LostAnswer::Trust(fault) => fault.advice(),
        LostAnswer::Connect => {
            "check that this machine reaches the API's address: name resolution, firewall, proxy, certificates"
        }
        LostAnswer::TimedOut => {
            "raise request.timeout_secs if the API is always this slow; a running service tries again by itself, a command has to be run again later"
        }
        LostAnswer::BeforeHeaders | LostAnswer::WithinBody => {
            "check for a proxy or firewall that cuts connections; a running service tries again by itself, a command has to be run again later"
        }
    }
}
