//! Why a command failed, what to do, and the exit code.

use std::error::Error;
use std::fmt;

use crate::api::{ApiError, SetupError};
use crate::catalog::CatalogError;
use crate::config::ConfigError;
use crate::lake::LakeError;
use crate::service::SourceError;
use crate::words::with_causes;

/// Some of the work was not done. Shells expect 1; `sysexits.h` has no name for this case.
pub(super) const FAILED: u8 = 1;
/// `EX_USAGE` of `sysexits.h`.
pub(super) const USAGE: u8 = 64;
/// `EX_NOPERM` of `sysexits.h`: Kombo refuses the API key.
pub(super) const NO_PERMISSION: u8 = 77;
/// `EX_CONFIG` of `sysexits.h`.
pub(super) const CONFIG: u8 = 78;

/// An error as the operator reads it.
#[derive(Debug)]
pub(super) struct CliError {
    message: String,
    advice: Option<String>,
    /// The exit code of the process.
    pub(super) exit_code: u8,
}

impl CliError {
    pub(super) fn new(
        exit_code: u8,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            message: message.into(),
            advice: Some(advice.into()),
            exit_code,
        }
    }

    /// Wraps an error whose own text says what to do.
    fn of(exit_code: u8, error: &dyn Error) -> Self {
        Self {
            message: with_causes(error),
            advice: None,
            exit_code,
        }
    }

    /// Returns the error without its advice.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Returns what to do, unless the error itself says it.
    pub(super) fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// Returns the error and its advice without the leading `error:`.
    pub(super) fn line(&self) -> String {
        self.below(8)
    }

    /// Returns the error with its advice on a line of its own, indented by this many columns.
    fn below(&self, indent: usize) -> String {
        match &self.advice {
            Some(advice) => format!("{}\n{:indent$}{advice}", self.message, ""),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.below(7))
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::of(error.exit_code(), &error)
    }
}

impl From<CatalogError> for CliError {
    fn from(error: CatalogError) -> Self {
        Self::of(CONFIG, &error)
    }
}

impl From<SetupError> for CliError {
    fn from(error: SetupError) -> Self {
        Self::of(CONFIG, &error)
    }
}

impl From<LakeError> for CliError {
    fn from(error: LakeError) -> Self {
        let is_configuration = error.is_configuration();
        let exit_code = if is_configuration { CONFIG } else { FAILED };
        Self::new(exit_code, with_causes(&error), error.advice())
    }
}

impl From<ApiError> for CliError {
    fn from(error: ApiError) -> Self {
        Self::new(FAILED, with_causes(&error), error.advice())
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        let exit_code = match &error {
            SourceError::Setup(_) => CONFIG,
            SourceError::KeyRefused(_) => NO_PERMISSION,
            SourceError::Listen(_) => FAILED,
        };
        Self::new(exit_code, with_causes(&error), error.advice())
    }
}
