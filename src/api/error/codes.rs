//! The meaning of each of Kombo's codes, and of each HTTP status without a known code, for a program that only reads.

use crate::plan::{ModelOff, Standing};

/// The meaning of a code or a status for a program that only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Park(Standing),
    Skip(ModelOff),
    Gone,
    Unauthorized,
    Permission,
    Key,
    Address,
    Invalid,
    NotFound,
    RateLimited,
    Retry,
    Redirect,
    Refused,
}

impl Meaning {
    /// Returns the meaning of a code. Returns `None` for a code that this build does not know.
    pub(super) fn of_code(code: &str) -> Option<Self> {
        MEANINGS
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, meaning)| meaning.clone())
    }

    /// Returns the meaning of a status without a known code. Load balancers answer with HTML, plain text or nothing, so
    /// the status is the only information.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            300..=399 => Self::Redirect,
            400 | 413 | 414 | 422 => Self::Invalid,
            401 => Self::Key,
            404 | 410 => Self::NotFound,
            409 => Self::Park(Standing::Unstated),
            429 => Self::RateLimited,
            408 | 425 | 500..=599 => Self::Retry,
            _ => Self::Refused,
        }
    }
}

/// Every code that Kombo documents (28 in September 2026). The set is open: one code was added within four months.
pub(super) const MEANINGS: [(&str, Meaning); 28] = [
    ("PLATFORM.RATE_LIMIT_EXCEEDED", Meaning::RateLimited),
    // Only live calls cause this code, and this program makes none. Waiting is correct in any case.
    ("PLATFORM.CONCURRENCY_LIMIT_EXCEEDED", Meaning::RateLimited),
    ("PLATFORM.INTEGRATION_NOT_FOUND", Meaning::Gone),
    ("PLATFORM.INPUT_INVALID", Meaning::Invalid),
    // Kombo advises against blind retries. A limited number of retries of a read is harmless.
    ("PLATFORM.UNKNOWN_ERROR", Meaning::Retry),
    ("PLATFORM.IP_NOT_WHITELISTED", Meaning::Address),
    ("PLATFORM.AUTHENTICATION_INVALID", Meaning::Key),
    ("PLATFORM.TASK_TIMED_OUT", Meaning::Retry),
    ("INTEGRATION.PERMISSION_MISSING", Meaning::Permission),
    ("INTEGRATION.AUTHENTICATION_INVALID", Meaning::Unauthorized),
    ("INTEGRATION.QA_FAILED", Meaning::Park(Standing::QaFailed)),
    (
        "INTEGRATION.SETUP_SYNC_PENDING",
        Meaning::Park(Standing::SetupPending),
    ),
    (
        "INTEGRATION.SETUP_INCOMPLETE",
        Meaning::Park(Standing::SetupIncomplete),
    ),
    ("INTEGRATION.INACTIVE", Meaning::Park(Standing::Inactive)),
    (
        "INTEGRATION.MODEL_NOT_AVAILABLE",
        Meaning::Skip(ModelOff::NotAvailable),
    ),
    (
        "INTEGRATION.MODEL_DISABLED",
        Meaning::Skip(ModelOff::Disabled),
    ),
    ("INTEGRATION.ACTION_NOT_AVAILABLE", Meaning::Refused),
    ("INTEGRATION.ACTION_DISABLED", Meaning::Refused),
    ("REMOTE.SERVICE_UNAVAILABLE", Meaning::Retry),
    ("REMOTE.RATE_LIMIT_EXCEEDED", Meaning::Retry),
    ("REMOTE.INPUT_INVALID", Meaning::Refused),
    ("REMOTE.UNKNOWN_HTTP_ERROR", Meaning::Refused),
    ("ATS.JOB_CLOSED", Meaning::Refused),
    ("ATS.APPLICATION_ALREADY_EXISTS", Meaning::Refused),
    ("HRIS.EMPLOYEE_ALREADY_EXISTS", Meaning::Refused),
    ("HRIS.STAFFING_ENTITY_CLOSED", Meaning::Refused),
    ("AI_APPLY.JOB_FEED_IMPORT_ALREADY_RUNNING", Meaning::Refused),
    ("AI_APPLY.JOB_FEED_IMPORT_TIMED_OUT", Meaning::Refused),
];
