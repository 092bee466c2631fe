//! Why a command ended without doing what it was asked, and with which exit code.

use std::fmt;

use crate::api::{ApiError, SetupError};
use crate::catalog::CatalogError;
use crate::config::ConfigError;
use crate::lake::LakeError;
use crate::words::with_causes;

/// Something asked for was not done (`EX_GENERAL` has no name in `sysexits.h`; 1 is what shells expect).
pub(super) const FAILED: u8 = 1;
/// `EX_USAGE` of `sysexits.h`.
pub(super) const USAGE: u8 = 64;
/// `EX_CONFIG` of `sysexits.h`.
pub(super) const CONFIG: u8 = 78;

/// An error as the person at the terminal reads it.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    advice: Option<String>,
    /// What the process answers.
    pub(super) exit_code: u8,
}

impl Failure {
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
}

impl Failure {
    /// Returns the error and its advice without the word in front.
    pub(super) fn line(&self) -> String {
        match &self.advice {
            Some(advice) => format!("{}\n        {advice}", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.advice {
            Some(advice) => write!(f, "\n       {advice}"),
            None => Ok(()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self {
            message: with_causes(&error),
            advice: None,
            exit_code: error.exit_code(),
        }
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        Self {
            message: with_causes(&error),
            advice: None,
            exit_code: CONFIG,
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self {
            message: with_causes(&error),
            advice: None,
            exit_code: CONFIG,
        }
    }
}

impl From<LakeError> for Failure {
    fn from(error: LakeError) -> Self {
        let exit_code = if error.is_configuration() {
            CONFIG
        } else {
            FAILED
        };
        Self {
            message: with_causes(&error),
            advice: Some(error.advice().to_owned()),
            exit_code,
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self {
            message: with_causes(&error),
            advice: Some(error.advice().to_owned()),
            exit_code: FAILED,
        }
    }
}
