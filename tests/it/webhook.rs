//! Kombo's signatures as facts, and near misses that must be refused.

use std::fs;
use std::path::Path;

use kombo_source::webhook::{
    SecretError, Signature, SignatureError, VerifiedBody, Verifier, Webhook, WebhookSecret, parse,
    preview,
};
use proptest::prelude::*;
use serde::Deserialize;

use crate::source_text::{root, sources};

#[derive(Deserialize)]
struct Vector {
    case: String,
    secret: String,
    signature: String,
    valid: bool,
    body: String,
}

fn vectors() -> Vec<Vector> {
    let text = fs::read_to_string(folder().join("signatures.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn folder() -> std::path::PathBuf {
    root().join("fixtures/webhooks")
}

fn secret(text: &str) -> WebhookSecret {
    WebhookSecret::new(text).unwrap()
}

/// Reads the header, and verifies the body with it.
fn verify<'a>(
    verifier: &Verifier,
    body: &'a [u8],
    header: impl AsRef<[u8]>,
) -> Result<VerifiedBody<'a>, SignatureError> {
    verifier.verify(body, &Signature::parse(header)?)
}

#[test]
fn every_known_signature_is_judged_right() {
    for Vector {
        case,
        secret: key,
        signature,
        valid,
        body,
    } in vectors()
    {
        let verifier = Verifier::new(secret(&key));
        let believed = verify(&verifier, body.as_bytes(), &signature);
        assert_eq!(believed.is_ok(), valid, "{case}: {believed:?}");
        if valid {
            assert_eq!(secret(&key).sign(body.as_bytes()), signature, "{case}");
            parse(believed.unwrap()).expect(&case);
        }
    }
}

#[test]
fn signatures_in_other_spellings_are_refused() {
    let special = &vectors()[3];
    let verifier = Verifier::new(secret(&special.secret));
    let good = &special.signature;
    assert!(good.contains('-') && good.contains('_'), "{}", special.case);
    // The last character has two bits that no byte uses. So another character in its place decodes to the same bytes.
    let mut spare_bits = good.clone();
    let last = spare_bits.pop().unwrap();
    spare_bits.push(char::from(u8::try_from(last).unwrap() + 1));
    for (case, signature, expected) in [
        ("missing", String::new(), SignatureError::Missing),
        ("short", good[..42].to_owned(), SignatureError::Malformed),
        ("padded", format!("{good}="), SignatureError::Malformed),
        (
            "standard alphabet",
            good.replace('-', "+").replace('_', "/"),
            SignatureError::Malformed,
        ),
        ("white space", format!(" {good}"), SignatureError::Malformed),
        (
            "as long, not base64",
            "é".repeat(21) + "a",
            SignatureError::Malformed,
        ),
        ("spare bits set", spare_bits, SignatureError::Malformed),
        (
            "ten kilobytes",
            "A".repeat(10_000),
            SignatureError::Malformed,
        ),
        ("zeros", "A".repeat(43), SignatureError::Wrong),
    ] {
        let answer = verify(&verifier, special.body.as_bytes(), &signature);
        assert_eq!(answer, Err(expected), "{case}");
    }
}

#[test]
fn the_same_json_written_anew_has_another_signature() {
    let pretty = &vectors()[1];
    let value: serde_json::Value = serde_json::from_str(&pretty.body).unwrap();
    let verifier = Verifier::new(secret(&pretty.secret));
    let again = serde_json::to_vec(&value).unwrap();
    let answer = verify(&verifier, &again, &pretty.signature);
    assert_eq!(answer, Err(SignatureError::Wrong));
}

#[test]
fn two_secrets_hold_at_once_and_no_third() {
    let (new, old) = ("whsec_new_12345678", "whsec_old_12345678");
    let verifier = Verifier::new(secret(new)).with_other(secret(old));
    for key in [new, old] {
        let signature = secret(key).sign(b"body");
        assert!(verify(&verifier, b"body", &signature).is_ok(), "{key}");
    }
    let signature = secret("whsec_older_12345678").sign(b"body");
    assert_eq!(
        verify(&verifier, b"body", &signature),
        Err(SignatureError::Wrong)
    );
}

#[test]
fn a_blank_or_short_secret_is_none_and_a_secret_shows_nowhere() {
    for blank in ["", " \n"] {
        assert_eq!(WebhookSecret::new(blank).err(), Some(SecretError::Blank));
    }
    for short in ["k", "whsec_123456789", "whsec_123456789 \n"] {
        assert_eq!(WebhookSecret::new(short).err(), Some(SecretError::Short));
    }
    let shown = format!(
        "{:?}",
        Verifier::new(secret("whsec_1_12345678")).with_other(secret("whsec_2_12345678"))
    );
    assert!(!shown.contains("whsec"), "{shown}");
    let key = secret("whsec_3_12345678");
    let verifier = Verifier::new(key.clone());
    let body = verify(&verifier, b"jane", key.sign(b"jane")).unwrap();
    assert_eq!(format!("{body:?}"), "VerifiedBody(4 bytes)");
}

#[test]
fn every_type_of_the_fixtures_is_understood() {
    let mut labels = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "signatures" {
            continue;
        }
        let webhook = preview(&fs::read(&path).unwrap()).expect(&name);
        assert!(
            name.starts_with(webhook.label()),
            "{name}: {}",
            webhook.label()
        );
        if let Webhook::Other(kind) = &webhook {
            assert_eq!(kind.label(), kind.as_str());
        }
        labels.push(webhook.label());
    }
    assert_eq!(labels.len(), 8, "{labels:?}");
}

#[test]
fn only_explain_reads_bodies_that_nobody_signed() {
    let wrong: Vec<_> = sources("src")
        .into_iter()
        .filter(|source| !Path::new(&source.path).starts_with("src/webhook"))
        .filter(|source| {
            source
                .code()
                .iter()
                .any(|(_, line)| line.contains("preview("))
        })
        .map(|source| source.path)
        .collect();
    assert_eq!(wrong, ["src/cli/explain.rs"]);
}

proptest! {
    #[test]
    fn any_flipped_bit_is_refused(
        body in prop::collection::vec(any::<u8>(), 1..400),
        key in "[a-z][ -~]{14,34}[a-z]",
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let signature = secret(&key).sign(&body);
        let verifier = Verifier::new(secret(&key));
        prop_assert!(verify(&verifier, &body, &signature).is_ok());

        let mut other = body.clone();
        other[place.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(verify(&verifier, &other, &signature), Err(SignatureError::Wrong));

        let mut header = signature.into_bytes();
        let at = place.index(header.len());
        header[at] ^= 1 << bit;
        prop_assert!(verify(&verifier, &body, &header).is_err());
    }
}
