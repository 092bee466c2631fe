//! The check of an integration: what Kombo tells about it and, when Kombo finds no such integration, whether Kombo
//! accepts the key.

use super::{ApiError, IntegrationInfo, KomboApi};
use crate::ids::{EnvironmentId, IntegrationId};

/// The result of a check.
#[derive(Debug)]
pub enum Looked {
    /// Kombo knows the integration.
    Found(IntegrationInfo),
    /// Kombo finds no such integration, and Kombo accepted the key right after that answer.
    NotFound {
        /// The environment that the key belongs to.
        key_of: EnvironmentId,
    },
    /// Kombo finds no such integration, but did not accept the key right after that answer. So the answer proves
    /// nothing about the integration.
    KeyNotAccepted(ApiError),
    /// Kombo gave no usable answer, or an answer that says that the integration cannot be read.
    Failed(ApiError),
}

/// Asks for an integration. When Kombo finds none, also asks whether Kombo accepts the key.
pub async fn look(api: &impl KomboApi, id: &IntegrationId) -> Looked {
    match api.integration(id).await {
        Ok(info) => Looked::Found(info),
        // Only an answer with Kombo's own code counts. A 404 without the code may come from a proxy or a load balancer.
        Err(ApiError::IntegrationGone { .. }) => match api.check_key().await {
            Ok(key) => Looked::NotFound {
                key_of: key.environment_id,
            },
            Err(error) => Looked::KeyNotAccepted(error),
        },
        Err(error) => Looked::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{KeyInfo, Page, PageRequest};
    use crate::time::ServerNow;

    /// Answers each of the two questions with a status and a code.
    struct Scripted {
        integration: (u16, &'static str),
        key: Result<&'static str, (u16, &'static str)>,
    }

    fn refused((status, code): (u16, &str)) -> ApiError {
        let body = format!(r#"{{"status":"error","error":{{"code":"{code}"}}}}"#);
        ApiError::from_answer(status, body.as_bytes(), false)
    }

    impl KomboApi for Scripted {
        async fn page(&self, _: PageRequest<'_>) -> Result<Page, ApiError> {
            Err(refused((404, "")))
        }

        async fn integration(&self, _: &IntegrationId) -> Result<IntegrationInfo, ApiError> {
            Err(refused(self.integration))
        }

        async fn check_key(&self) -> Result<KeyInfo, ApiError> {
            let name = self.key.map_err(refused)?;
            let environment_id = EnvironmentId::new(name).expect("a name");
            Ok(KeyInfo { environment_id })
        }

        fn server_now(&self) -> Option<ServerNow> {
            None
        }
    }

    async fn looked(
        integration: (u16, &'static str),
        key: Result<&'static str, (u16, &'static str)>,
    ) -> Looked {
        let id = IntegrationId::new("tool:a").expect("an id");
        look(&Scripted { integration, key }, &id).await
    }

    const NOT_FOUND: (u16, &str) = (404, "PLATFORM.INTEGRATION_NOT_FOUND");

    #[tokio::test]
    async fn nothing_but_kombos_own_code_is_a_not_found() {
        assert!(matches!(
            looked(NOT_FOUND, Ok("env")).await,
            Looked::NotFound { key_of } if key_of.as_str() == "env"
        ));
        for other in [
            (404, ""),
            (410, ""),
            (403, "INTEGRATION.PERMISSION_MISSING"),
            (401, "PLATFORM.AUTHENTICATION_INVALID"),
            (400, "INTEGRATION.MODEL_NOT_AVAILABLE"),
            (409, "INTEGRATION.INACTIVE"),
            (500, "PLATFORM.UNKNOWN_ERROR"),
            (503, ""),
        ] {
            let looked = looked(other, Ok("env")).await;
            assert!(matches!(looked, Looked::Failed(_)), "{other:?}: {looked:?}");
        }
    }

    #[tokio::test]
    async fn a_not_found_counts_for_nothing_when_the_key_is_not_accepted_right_after() {
        for key in [
            (401, "PLATFORM.AUTHENTICATION_INVALID"),
            (403, "PLATFORM.IP_NOT_WHITELISTED"),
            (503, ""),
            (404, ""),
        ] {
            let looked = looked(NOT_FOUND, Err(key)).await;
            assert!(
                matches!(looked, Looked::KeyNotAccepted(_)),
                "{key:?}: {looked:?}"
            );
        }
    }
}
