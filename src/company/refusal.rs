//! Answers that are not rows: every error of the API and of the load balancer in front of it.

use serde_json::json;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Error code of Kombo; `None` where the body has none or is no JSON.
    pub code: Option<&'static str>,
    /// Content type; `None` without a body.
    pub(super) content_type: Option<&'static str>,
    pub(super) body: String,
}

/// Code, status, title and message. Some statuses are assumed, because Kombo does not document them.
#[rustfmt::skip]
const CODES: &[(&str, u16, &str, &str)] = &[
    ("PLATFORM.RATE_LIMIT_EXCEEDED", 429, "Rate limit exceeded", "Too many requests."),
    ("PLATFORM.CONCURRENCY_LIMIT_EXCEEDED", 429, "Concurrency limit exceeded", "Too many requests in flight."),
    ("PLATFORM.INTEGRATION_NOT_FOUND", 404, "Integration not found", "No such integration."),
    ("PLATFORM.INPUT_INVALID", 400, "Input invalid", "The request is not valid."),
    ("PLATFORM.UNKNOWN_ERROR", 500, "Unknown error", "Something went wrong."),
    ("PLATFORM.IP_NOT_WHITELISTED", 403, "IP address not allowed", "This API key is limited to other addresses."),
    ("PLATFORM.AUTHENTICATION_INVALID", 401, "Authentication invalid", "The provided API key is invalid."),
    ("PLATFORM.TASK_TIMED_OUT", 504, "Task timed out", "The task took too long."),
    ("PLATFORM.SOMETHING_NEW", 400, "New", "A code this client has never seen."),
    ("INTEGRATION.PERMISSION_MISSING", 403, "Permission missing", "The connected account lacks a permission."),
    ("INTEGRATION.AUTHENTICATION_INVALID", 401, "Authentication of the integration invalid", "The customer must connect again."),
    ("INTEGRATION.QA_FAILED", 409, "Quality check failed", "The data of this integration did not pass the checks."),
    ("INTEGRATION.SETUP_SYNC_PENDING", 409, "Setup sync pending", "The first sync did not finish yet."),
    ("INTEGRATION.SETUP_INCOMPLETE", 409, "Setup incomplete", "The customer did not finish the setup."),
    ("INTEGRATION.INACTIVE", 409, "Integration inactive", "The integration is switched off."),
    ("INTEGRATION.MODEL_NOT_AVAILABLE", 400, "Model not available", "The connected tool does not have this model."),
    ("INTEGRATION.MODEL_DISABLED", 400, "Model disabled", "The model is turned off in the scope config."),
    ("INTEGRATION.ACTION_NOT_AVAILABLE", 400, "Action not available", "The connected tool cannot do this."),
    ("INTEGRATION.ACTION_DISABLED", 400, "Action disabled", "The action is turned off in the scope config."),
    ("REMOTE.SERVICE_UNAVAILABLE", 503, "Tool unavailable", "The connected tool does not answer."),
    ("REMOTE.RATE_LIMIT_EXCEEDED", 429, "Tool limits requests", "The connected tool takes no more requests now."),
    ("REMOTE.INPUT_INVALID", 400, "Tool refused the input", "The connected tool did not accept the input."),
    ("REMOTE.UNKNOWN_HTTP_ERROR", 502, "Tool failed", "The connected tool answered with an error."),
    ("ATS.JOB_CLOSED", 400, "Job closed", "The job takes no applications."),
    ("ATS.APPLICATION_ALREADY_EXISTS", 409, "Application exists", "The candidate applied already."),
    ("HRIS.EMPLOYEE_ALREADY_EXISTS", 409, "Employee exists", "There is such an employee already."),
    ("HRIS.STAFFING_ENTITY_CLOSED", 409, "Staffing entity closed", "The position is closed."),
    ("AI_APPLY.JOB_FEED_IMPORT_ALREADY_RUNNING", 409, "Import running", "An import is running already."),
    ("AI_APPLY.JOB_FEED_IMPORT_TIMED_OUT", 504, "Import timed out", "The import took too long."),
];

const HTML: &str = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>";

impl Refusal {
    /// Returns the error with one of Kombo's codes, or with `PLATFORM.SOMETHING_NEW` as an unknown code.
    #[must_use]
    pub fn with_code(code: &str) -> Option<Self> {
        Self::coded(code, None)
    }

    /// Returns all known codes.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        CODES.iter().map(|(code, ..)| *code)
    }

    /// Returns the error with another status: the setup errors had 503 before 2026-05-19.
    #[must_use]
    pub fn under(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Returns an error whose envelope has only a message.
    #[must_use]
    pub fn without_code(status: u16) -> Self {
        Self::envelope(status, None, None, "An error without a code.")
    }

    /// Returns the answer of a load balancer without a server behind it.
    #[must_use]
    pub fn load_balancer() -> Self {
        Self::bare(503, Some("text/html"), HTML)
    }

    /// Returns a plain text error.
    #[must_use]
    pub fn plain_text() -> Self {
        Self::bare(502, Some("text/plain"), "502 Bad Gateway")
    }

    /// Returns an error without a body.
    #[must_use]
    pub fn empty() -> Self {
        Self::bare(500, None, "")
    }

    /// Returns the error with a code that is in the list.
    pub(super) fn known(code: &'static str) -> Self {
        Self::coded(code, None).expect("the code is in the list")
    }

    pub(super) fn input_invalid(message: &str) -> Self {
        let refusal = Self::coded("PLATFORM.INPUT_INVALID", Some(message));
        refusal.expect("the code is in the list")
    }

    pub(super) fn no_such_path() -> Self {
        Self::envelope(404, None, Some("Not found"), "There is no such endpoint.")
    }

    /// Takes the usual message of the code where none is given.
    fn coded(code: &str, message: Option<&str>) -> Option<Self> {
        let (code, status, title, usual) = CODES.iter().find(|(known, ..)| *known == code)?;
        let message = message.unwrap_or(usual);
        Some(Self::envelope(*status, Some(code), Some(title), message))
    }

    fn envelope(
        status: u16,
        code: Option<&'static str>,
        title: Option<&str>,
        message: &str,
    ) -> Self {
        let error = json!({"code": code, "title": title, "message": message, "log_url": null});
        let body = json!({"status": "error", "error": error}).to_string();
        Self {
            code,
            ..Self::bare(status, Some("application/json"), &body)
        }
    }

    fn bare(status: u16, content_type: Option<&'static str>, body: &str) -> Self {
        Self {
            status,
            code: None,
            content_type,
            body: body.to_owned(),
        }
    }
}
