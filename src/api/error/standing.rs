//! What an error says about a complete integration, or about one table of an integration.

use super::ApiError;
use crate::plan::{ModelOff, Standing};

impl ApiError {
    /// Returns the state of the integration if this error concerns the complete integration. Returns `None` for any
    /// other error.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        match self {
            Self::Parked { standing, .. } => Some(standing.clone()),
            Self::IntegrationGone { .. } => Some(Standing::Deleting),
            Self::IntegrationUnauthorized { .. } => Some(Standing::AuthenticationInvalid),
            _ => None,
        }
    }

    /// Returns why a table is off if this error concerns one table only. Returns `None` for any other error.
    #[must_use]
    pub fn model_off(&self) -> Option<ModelOff> {
        match self {
            Self::SkipEndpoint { reason, .. } => Some(*reason),
            Self::PermissionMissing { .. } => Some(ModelOff::PermissionMissing),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorReach;
    use super::super::codes::MEANINGS;
    use super::*;

    #[test]
    fn a_conflict_with_a_code_that_kombo_invents_is_told_by_that_code() {
        let standing = |body: &[u8]| ApiError::from_answer(409, body, false).standing();
        let paused = br#"{"status":"error","error":{"code":"INTEGRATION.PAUSED"}}"#;
        let other = Standing::Other("INTEGRATION.PAUSED".to_owned());
        assert_eq!(standing(paused), Some(other));
        assert_eq!(standing(b"conflict"), Some(Standing::Unstated));
    }

    #[test]
    fn a_code_that_reaches_an_integration_parks_it_and_one_that_reaches_a_table_turns_that_off() {
        for (code, _) in MEANINGS {
            let body = format!(r#"{{"status":"error","error":{{"code":"{code}"}}}}"#);
            let error = ApiError::from_answer(409, body.as_bytes(), false);
            let reach = error.reach();
            assert_eq!(
                error
                    .standing()
                    .is_some_and(|standing| !standing.is_fetched()),
                reach == ErrorReach::Integration,
                "{code}"
            );
            assert_eq!(
                error.model_off().is_some(),
                reach == ErrorReach::Table,
                "{code}"
            );
        }
    }
}
