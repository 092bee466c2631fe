//! Whether a body comes from Kombo: HMAC-SHA256 over its raw bytes, as base64url without padding.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// 32 bytes in base64 without padding.
const SIGNATURE_CHARS: usize = 43;

/// The fewest bytes of a secret. Kombo's are longer; what is shorter was cut on its way here, or can be guessed: whoever has
/// one signed body can try secrets without asking anybody.
pub const MIN_SECRET_BYTES: usize = 16;

/// What Kombo's dashboard shows as the webhook secret. The key of the hash, ready for use.
#[derive(Clone)]
pub struct WebhookSecret(Hmac<Sha256>);

impl WebhookSecret {
    /// Takes the secret's text.
    ///
    /// # Errors
    /// When it is blank or so short that it can be guessed: then anybody could sign with it. White space at its ends does
    /// not count.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        match text.trim().len() {
            0 => Err(SecretError::Blank),
            1..MIN_SECRET_BYTES => Err(SecretError::Short),
            _ => {
                let key = Hmac::new_from_slice(text.as_bytes());
                Ok(Self(key.expect("HMAC takes keys of every length")))
            }
        }
    }

    /// Signs a body as Kombo does, for those who stand in for it.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.0.clone().chain_update(body).finalize().into_bytes())
    }

    /// Compares in constant time.
    fn signed(&self, body: &[u8], tag: &[u8]) -> bool {
        self.0.clone().chain_update(body).verify_slice(tag).is_ok()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// Why a text is no webhook secret. Reads after the name of what holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Nothing but white space.
    #[error("is empty")]
    Blank,
    /// Fewer bytes than any secret of Kombo's.
    #[error(
        "has fewer than {MIN_SECRET_BYTES} bytes, which anybody could guess; copy the whole webhook secret from Kombo's dashboard"
    )]
    Short,
}

/// Tells Kombo's webhooks from everybody else's.
#[derive(Clone, Debug)]
pub struct Verifier {
    secret: WebhookSecret,
    other: Option<WebhookSecret>,
}

impl Verifier {
    /// Makes a verifier that knows one secret.
    #[must_use]
    pub fn new(secret: WebhookSecret) -> Self {
        Self {
            secret,
            other: None,
        }
    }

    /// Takes a second secret beside the first, so that Kombo's can be changed while webhooks come in.
    #[must_use]
    pub fn with_other(self, other: WebhookSecret) -> Self {
        Self {
            other: Some(other),
            ..self
        }
    }

    /// Checks the `X-Kombo-Signature` of a body, over the very bytes that came in: the same JSON written anew has
    /// another signature.
    pub fn verify<'a>(
        &self,
        body: &'a [u8],
        signature: &str,
    ) -> Result<VerifiedBody<'a>, SignatureError> {
        if signature.is_empty() {
            return Err(SignatureError::Missing);
        }
        if signature.len() != SIGNATURE_CHARS {
            return Err(SignatureError::Malformed);
        }
        let tag = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| SignatureError::Malformed)?;
        let other = self.other.as_ref();
        if self.secret.signed(body, &tag) || other.is_some_and(|other| other.signed(body, &tag)) {
            Ok(VerifiedBody(body))
        } else {
            Err(SignatureError::Wrong)
        }
    }
}

/// The bytes of a body whose signature is right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifiedBody<'a>(pub(super) &'a [u8]);

impl fmt::Debug for VerifiedBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedBody({} bytes)", self.0.len())
    }
}

/// Why a body is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// No header, or an empty one.
    #[error("the signature is missing")]
    Missing,
    /// Not a text that any signature could be.
    #[error("the signature is not {SIGNATURE_CHARS} characters of base64url without padding")]
    Malformed,
    /// Made with another secret, or for other bytes.
    #[error("the signature is not that of this body under the configured secret")]
    Wrong,
}

impl SignatureError {
    /// Returns a label for counters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "signature_missing",
            Self::Malformed => "signature_malformed",
            Self::Wrong => "signature_wrong",
        }
    }
}
