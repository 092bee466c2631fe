//! The webhook secrets in use. A reload can replace them while webhooks come in.

use std::sync::{Arc, PoisonError, RwLock};

use crate::webhook::Verifier;

/// A verifier that can be replaced. Clones share it.
#[derive(Clone, Debug)]
pub struct SharedVerifier(Arc<RwLock<Arc<Verifier>>>);

impl SharedVerifier {
    /// Shares a verifier.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(verifier))))
    }

    /// Replaces the verifier, from the next request on.
    pub fn swap(&self, verifier: Verifier) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(verifier);
    }

    pub(super) fn current(&self) -> Arc<Verifier> {
        // The lock is held for one clone only: hashing under the lock would let a reload wait for every request.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
