//! Checks whether a body comes from Kombo: HMAC-SHA256 over the raw bytes of the body, as base64url without padding.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Number of bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

/// Number of characters of an HMAC-SHA256 in base64 without padding.
const SIGNATURE_CHARS: usize = 43;

/// Smallest number of bytes of a secret. Kombo's secrets are longer. A shorter secret was cut while it was copied, or
/// can be guessed: anybody with one signed body can try secrets offline.
pub const MIN_SECRET_BYTES: usize = 16;

/// The webhook secret from Kombo's dashboard, prepared as the key of the hash.
#[derive(Clone)]
pub struct WebhookSecret(Hmac<Sha256>);

impl WebhookSecret {
    /// Takes the text of the secret.
    ///
    /// # Errors
    /// Returns an error when the text is blank, or is so short that it can be guessed. Then anybody could sign with the
    /// secret. White space at the ends does not count.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        match text.trim().len() {
            0 => Err(SecretError::Blank),
            1..MIN_SECRET_BYTES => Err(SecretError::Short),
            _ => {
                let key = Hmac::new_from_slice(text.as_bytes());
                Ok(Self(key.expect("HMAC accepts keys of any length")))
            }
        }
    }

    /// Signs a body as Kombo does, for the twin and for tests.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.0.clone().chain_update(body).finalize().into_bytes())
    }

    /// Compares the signature in constant time.
    fn signed(&self, body: &[u8], signature: &Signature) -> bool {
        let hash = self.0.clone().chain_update(body);
        hash.verify_slice(&signature.0).is_ok()
    }
}

/// Two secrets are equal if they sign alike.
impl PartialEq for WebhookSecret {
    fn eq(&self, other: &Self) -> bool {
        self.sign(b"") == other.sign(b"")
    }
}

impl Eq for WebhookSecret {}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// Why a text is not a webhook secret. The message continues a sentence that begins with the name of the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is empty or only white space.
    #[error("is empty")]
    Blank,
    /// The text has fewer bytes than any secret of Kombo.
    #[error(
        "has fewer than {MIN_SECRET_BYTES} bytes, so it can be guessed; copy the complete webhook secret from Kombo's dashboard"
    )]
    Short,
}

/// A text with the form of a signature. Only a [`Verifier`] can tell whether it is the signature of a body.
#[derive(Clone)]
pub struct Signature([u8; TAG_BYTES]);

impl Signature {
    /// Reads the value of `X-Kombo-Signature`. A signature has exactly one spelling. Padding, another alphabet, white
    /// space and spare bits are refused.
    pub fn parse(header: impl AsRef<[u8]>) -> Result<Self, SignatureError> {
        let text = header.as_ref();
        if text.is_empty() {
            return Err(SignatureError::Missing);
        }
        if text.len() != SIGNATURE_CHARS {
            return Err(SignatureError::Malformed);
        }
        let tag = URL_SAFE_NO_PAD.decode(text).ok();
        let tag = tag.and_then(|tag| tag.try_into().ok());
        tag.map(Self).ok_or(SignatureError::Malformed)
    }
}

/// Shows nothing of the signature, because a reader of a log could send the webhook again.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// Checks whether webhooks come from Kombo.
///
/// Two verifiers are equal if they accept the same signatures.
#[derive(Clone, Debug)]
pub struct Verifier {
    secret: WebhookSecret,
    other: Option<WebhookSecret>,
    origin: String,
}

impl Verifier {
    /// Makes a verifier with one secret.
    #[must_use]
    pub fn new(secret: WebhookSecret) -> Self {
        Self {
            secret,
            other: None,
            origin: "the webhook secret of this program".to_owned(),
        }
    }

    /// Sets where the secrets come from, in words such as `the file ./kombo-webhook-secret`. The operator compares what is
    /// there with the secret at Kombo.
    #[must_use]
    pub fn with_origin(self, origin: String) -> Self {
        Self { origin, ..self }
    }

    /// Returns where the secrets come from, in words.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Adds a second secret, so that the secret can be changed in Kombo's dashboard while webhooks arrive.
    #[must_use]
    pub fn with_other(self, other: WebhookSecret) -> Self {
        Self {
            other: Some(other),
            ..self
        }
    }

    /// Checks the signature of a body. The body must be the received bytes: JSON that was parsed and written again has
    /// another signature.
    pub fn verify<'a>(
        &self,
        body: &'a [u8],
        signature: &Signature,
    ) -> Result<VerifiedBody<'a>, SignatureError> {
        let mut secrets = [Some(&self.secret), self.other.as_ref()]
            .into_iter()
            .flatten();
        if secrets.any(|secret| secret.signed(body, signature)) {
            Ok(VerifiedBody(body))
        } else {
            Err(SignatureError::Wrong)
        }
    }
}

impl PartialEq for Verifier {
    fn eq(&self, other: &Self) -> bool {
        (&self.secret, &self.other) == (&other.secret, &other.other)
    }
}

impl Eq for Verifier {}

/// The bytes of a body with a valid signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifiedBody<'a>(pub(super) &'a [u8]);

impl fmt::Debug for VerifiedBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedBody({} bytes)", self.0.len())
    }
}

/// Why a signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The header is missing or empty.
    #[error("the signature is missing")]
    Missing,
    /// The text does not have the form of a signature.
    #[error("the signature is not {SIGNATURE_CHARS} characters of base64url without padding")]
    Malformed,
    /// The signature was made with another secret or for another body.
    #[error("the signature does not match the body and the configured secret")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_has_one_form_and_is_refused_in_every_other_before_a_body_is_known() {
        let good = URL_SAFE_NO_PAD.encode([0xfb; TAG_BYTES]);
        assert_eq!(good.len(), SIGNATURE_CHARS);
        assert!(Signature::parse(&good).is_ok());
        let refused = |header: &[u8]| Signature::parse(header).map(drop).err();
        assert_eq!(refused(b""), Some(SignatureError::Missing));
        let others = [
            good[1..].to_owned(),
            format!("{good}="),
            format!(" {}", &good[1..]),
            good.replace('-', "+").replace('_', "/"),
            format!("{}9", &good[..42]),
        ];
        for other in others {
            assert_eq!(
                refused(other.as_bytes()),
                Some(SignatureError::Malformed),
                "{other}"
            );
        }
        for byte in [0, 0x80, 0xff] {
            let mut header = good.clone().into_bytes();
            header[7] = byte;
            assert_eq!(refused(&header), Some(SignatureError::Malformed), "{byte}");
        }
    }
}
