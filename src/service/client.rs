//! The client for Kombo that is in use, for whoever asks beside the loop: one budget for all.

use std::sync::{Arc, PoisonError, RwLock};

use crate::api::HttpApi;

/// The client in use. A reload puts another in its place.
#[derive(Clone)]
pub struct SharedClient(Arc<RwLock<Arc<HttpApi>>>);

impl SharedClient {
    pub(super) fn new(api: Arc<HttpApi>) -> Self {
        Self(Arc::new(RwLock::new(api)))
    }

    /// Returns it.
    #[must_use]
    pub fn get(&self) -> Arc<HttpApi> {
        // Whole clients are swapped in, so a panic elsewhere leaves it right.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn swap(&self, api: Arc<HttpApi>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = api;
    }
}
