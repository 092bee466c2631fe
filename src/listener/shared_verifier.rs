//! The secrets webhooks are held against, which may change while they come in.

use std::sync::{Arc, PoisonError, RwLock};

use crate::webhook::Verifier;

/// A verifier that can be exchanged. Clones share it.
#[derive(Clone, Debug)]
pub struct SharedVerifier(Arc<RwLock<Arc<Verifier>>>);

impl SharedVerifier {
    /// Shares a verifier.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(verifier))))
    }

    /// Takes another one from the next request on.
    pub fn swap(&self, verifier: Verifier) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(verifier);
    }

    pub(super) fn current(&self) -> Arc<Verifier> {
        // Held for the time of one clone: hashing under the lock would let a reload wait for every request.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
