//! Reload: replaces the configuration and the secrets of a running source.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};
use tracing::info;

use super::config::{KomboSourceConfig, Secrets};
use super::dispatch::Rules;
use super::held::Held;
use crate::api::{Connect, HttpApi, HttpTransport, SendingRight, SetupError, Transport};
use crate::catalog::Catalog;
use crate::decode::DecodeLimits;
use crate::ingest::IngestSettings;
use crate::listener::{ListenError, SharedVerifier, TlsReloader};
use crate::metrics::Metrics;
use crate::sink::{Registration, Registry};
use crate::time::Clock;

/// What the loop is sent on a reload.
pub(super) struct Command<A> {
    pub(super) rules: Rules,
    /// What the sink covers of all tables of the new configuration.
    pub(super) held: Held,
    /// The registered integrations; `None` if the registry cannot be read.
    pub(super) registered: Option<Vec<Registration>>,
    /// The new client for Kombo; `None` if neither the key nor a request option has changed.
    pub(super) parts: Option<Parts<A>>,
    /// Told once the loop works by the new rules.
    pub(super) adopted: oneshot::Sender<()>,
}

/// The client for Kombo and the settings that belong to it.
pub(super) struct Parts<A> {
    pub(super) api: Arc<A>,
    pub(super) limits: DecodeLimits,
    pub(super) ingest: IngestSettings,
    pub(super) concurrency: usize,
}

/// The configuration that the source uses, and the way to its loop.
pub(super) struct InUse<T> {
    pub(super) config: KomboSourceConfig,
    pub(super) secrets: Secrets,
    pub(super) connect: Arc<Connect<T>>,
    /// `None` while no loop runs: the next one takes the configuration from here.
    pub(super) commands: Option<mpsc::Sender<Command<HttpApi<T>>>>,
}

/// Changes a running source.
pub struct Control<S, T = HttpTransport> {
    pub(super) in_use: Arc<Mutex<InUse<T>>>,
    pub(super) catalog: Catalog,
    pub(super) sink: S,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) right: SendingRight,
    pub(super) verifier: Option<SharedVerifier>,
    pub(super) tls: Option<TlsReloader>,
}

/// Why a new configuration was rejected. The old configuration stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The option cannot change while the source runs.
    #[error("{option} cannot change while the service runs")]
    NeedsRestart {
        /// The dotted path of the option.
        option: &'static str,
    },
    /// The HTTP client for Kombo cannot be built.
    #[error("the HTTP client for Kombo cannot be built")]
    Setup(#[source] SetupError),
    /// The certificate cannot be used.
    #[error("the certificate cannot be used")]
    Tls(#[source] ListenError),
    /// The source has ended.
    #[error("the source has ended")]
    Ended,
}

impl ReloadError {
    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NeedsRestart { .. } => {
                "restart the service, or set the option back to its old value"
            }
            Self::Setup(_) => "correct the options of the source in the configuration",
            Self::Tls(error) => error.advice(),
            Self::Ended => "start the service again",
        }
    }
}

impl<S: Registry, T: Transport> Control<S, T> {
    /// Replaces the configuration and the secrets of the running source. On an error the old ones stay in use. Tables
    /// stay dirty, and running fetches end under the old configuration. Returns once the source works by the new rules.
    ///
    /// # Errors
    ///
    /// Fails if an option changed that needs a restart, if the client for Kombo cannot be built, if the certificate
    /// cannot be read, or if the source has ended.
    pub async fn reload(
        &mut self,
        config: KomboSourceConfig,
        secrets: Secrets,
    ) -> Result<(), ReloadError> {
        let in_use = Arc::clone(&self.in_use);
        let mut in_use = in_use.lock().await;
        self.check(&in_use, &config, &secrets)?;
        let parts = self.parts(&in_use, &config, &secrets)?;
        let registered = match in_use.commands {
            Some(_) => self.sink.registered().await.ok(),
            None => None,
        };
        let held = match in_use.commands {
            Some(_) => Some(Held::read(&self.sink, config.endpoints.clone()).await),
            None => None,
        };
        if let Some(tls) = &self.tls {
            tls.reload().map_err(ReloadError::Tls)?;
        }
        if let Some((shared, verifier)) = self.verifier.as_ref().zip(secrets.verifier.clone()) {
            shared.swap(verifier);
        }
        if let Some((commands, held)) = in_use.commands.as_ref().zip(held) {
            let (adopted, is_adopted) = oneshot::channel();
            let command = Command {
                rules: config.rules(&self.catalog),
                held,
                registered,
                parts,
                adopted,
            };
            let sent = commands.send(command).await;
            sent.map_err(|_| ReloadError::Ended)?;
            is_adopted.await.map_err(|_| ReloadError::Ended)?;
        } else {
            self.metrics.reloaded();
            info!("configuration reloaded; this standby uses it when it takes over");
        }
        (in_use.config, in_use.secrets) = (config, secrets);
        Ok(())
    }

    fn check(
        &self,
        in_use: &InUse<T>,
        config: &KomboSourceConfig,
        secrets: &Secrets,
    ) -> Result<(), ReloadError> {
        let (old, new) = (&in_use.config.settings, &config.settings);
        let listens_as_before = match (&old.webhook, &new.webhook) {
            (Some(old), Some(new)) => old.listens_as(new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if old.name != new.name {
            return Err(ReloadError::NeedsRestart {
                option: "the name of the source",
            });
        }
        if !listens_as_before || self.verifier.is_some() != secrets.verifier.is_some() {
            return Err(ReloadError::NeedsRestart { option: "webhook" });
        }
        if old.lease != new.lease {
            return Err(ReloadError::NeedsRestart { option: "lease" });
        }
        Ok(())
    }

    fn parts(
        &self,
        in_use: &InUse<T>,
        config: &KomboSourceConfig,
        secrets: &Secrets,
    ) -> Result<Option<Parts<HttpApi<T>>>, ReloadError> {
        let (old, new) = (&in_use.config.settings, &config.settings);
        let same = (old.api_url(), &old.request, old.ingest)
            == (new.api_url(), &new.request, new.ingest)
            && in_use.secrets.api_key == secrets.api_key;
        if same {
            return Ok(None);
        }
        let clock = Arc::clone(&self.clock);
        let api = HttpApi::over(
            &*in_use.connect,
            new.api_url(),
            &secrets.api_key,
            &new.request,
            clock,
        );
        Ok(Some(Parts {
            api: Arc::new((api.map_err(ReloadError::Setup)?).sending_by(self.right.clone())),
            limits: new.request.limits(),
            ingest: new.ingest,
            concurrency: new.request.concurrency.get() as usize,
        }))
    }
}
