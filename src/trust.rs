//! Names what is wrong with the certificate of a server, or with the certificates that this machine trusts.
//!
//! Kombo's API and the stores are reached through the same libraries, so the same causes have the same names for both.

use std::error::Error;
use std::fmt;
use std::fs::File;

/// The variable that names the file of trusted certificates.
const CERT_FILE: &str = "SSL_CERT_FILE";

/// Why no encrypted connection to a server can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrustFault {
    /// No authority that this machine trusts has signed the server's certificate.
    UnknownIssuer,
    /// The server's certificate has expired, by the clock of this machine.
    Expired,
    /// The server's certificate is not valid yet, by the clock of this machine.
    NotYetValid,
    /// The server's certificate is for another name.
    OtherName,
    /// The server's certificate is not accepted for another reason.
    Refused,
    /// The variable `SSL_CERT_FILE` is set, and no certificate can be read from its file.
    CertFile,
    /// The variable `SSL_CERT_DIR` is set, and no certificate can be read from its folders.
    CertDir,
    /// This machine has no certificates of authorities.
    NoAuthorities,
}

impl TrustFault {
    /// Finds the fault in an error or its causes. `None` when the error is about something else.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(fault) = Self::in_text(&cause.to_string()) {
                return Some(fault);
            }
            next = cause.source();
        }
        None
    }

    /// The texts are the ones of `rustls` and `rustls-platform-verifier`, whose types other libraries wrap in texts.
    fn in_text(text: &str) -> Option<Self> {
        if text.contains("No CA certificates were loaded") {
            // Where one of the two variables is set, the certificates of the machine are not read.
            let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            return Some(match (is_set(CERT_FILE), is_set("SSL_CERT_DIR")) {
                (true, _) => Self::CertFile,
                (_, true) => Self::CertDir,
                _ => Self::NoAuthorities,
            });
        }
        let (_, reason) = text.split_once("invalid peer certificate: ")?;
        let is = |names: &[&str]| names.iter().any(|name| reason.starts_with(name));
        Some(if is(&["UnknownIssuer"]) {
            // With both variables set, a missing file leaves the certificates of the folders.
            let file = std::env::var_os(CERT_FILE).filter(|file| !file.is_empty());
            match file.map(File::open) {
                Some(Err(_)) => Self::CertFile,
                _ => Self::UnknownIssuer,
            }
        } else if is(&["certificate expired", "Expired"]) {
            Self::Expired
        } else if is(&["certificate not valid yet", "NotValidYet"]) {
            Self::NotYetValid
        } else if is(&["certificate not valid for name", "NotValidForName"]) {
            Self::OtherName
        } else {
            Self::Refused
        })
    }

    /// Returns what the operator should do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::UnknownIssuer => {
                "install the certificate of the server's authority on this machine (update-ca-certificates), or name a file with it and all other authorities in SSL_CERT_FILE; a proxy that opens encrypted connections has an authority of its own"
            }
            Self::Expired | Self::NotYetValid => {
                "check this machine's clock first; if it is right, the server needs a new certificate"
            }
            Self::OtherName => {
                "check the address in the configuration: the server has to be named as in its certificate"
            }
            Self::Refused => {
                "check the address in the configuration, and that no proxy answers in the server's place"
            }
            Self::CertFile => {
                "correct SSL_CERT_FILE, or unset it: it has to name a readable file with certificates in PEM form"
            }
            Self::CertDir => {
                "correct SSL_CERT_DIR, or unset it: it has to name folders with certificates in PEM form"
            }
            Self::NoAuthorities => {
                "install the package ca-certificates, or name a file with certificates in PEM form in SSL_CERT_FILE"
            }
        }
    }
}

impl fmt::Display for TrustFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => {
                "this machine does not trust the authority that signed the server's certificate"
            }
            Self::Expired => "the server's certificate has expired by this machine's clock",
            Self::NotYetValid => {
                "the server's certificate is not valid yet by this machine's clock"
            }
            Self::OtherName => "the server's certificate is for another name",
            Self::Refused => "the server's certificate is not acceptable",
            Self::CertFile => "no certificate can be read from the file that SSL_CERT_FILE names",
            Self::CertDir => "no certificate can be read from the folders that SSL_CERT_DIR names",
            Self::NoAuthorities => "this machine has no certificates of authorities",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_fault_is_found_by_the_text_of_the_library() {
        for (text, fault) in [
            ("UnknownIssuer", TrustFault::UnknownIssuer),
            (
                "certificate expired: verification time 2 (UNIX), but certificate is not valid after 1 (1 seconds ago)",
                TrustFault::Expired,
            ),
            (
                "certificate not valid yet: verification time 1 (UNIX), but certificate is not valid before 2 (1 seconds in future)",
                TrustFault::NotYetValid,
            ),
            (
                "certificate not valid for name \"a.example\"; certificate is only valid for b.example",
                TrustFault::OtherName,
            ),
            ("BadEncoding", TrustFault::Refused),
        ] {
            let text = format!("invalid peer certificate: {text}");
            let error = io::Error::other(io::Error::other(text));
            assert_eq!(TrustFault::of(&error), Some(fault));
        }
        assert_eq!(
            TrustFault::of(&io::Error::other("connection refused")),
            None
        );
    }
}
