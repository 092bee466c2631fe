//! Whether a body comes from Kombo: HMAC-SHA256 over its raw bytes, as base64url without padding.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

/// Those bytes in base64 without padding.
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
    fn signed(&self, body: &[u8], signature: &Signature) -> bool {
        let hash = self.0.clone().chain_update(body);
        hash.verify_slice(&signature.0).is_ok()
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

/// What could be a signature, by its form. Whose it is, and of which body, only a [`Verifier`] says.
#[derive(Clone)]
pub struct Signature([u8; TAG_BYTES]);

impl Signature {
    /// Reads the value of `X-Kombo-Signature`. There is one spelling: padding, other alphabets, white space and spare bits
    /// make it another text.
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

/// Shows nothing: whoever reads a log could send the webhook again.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
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

    /// Checks the signature of a body, over the very bytes that came in: the same JSON written anew has another signature.
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
