//! Finds the reason of a failed call in the causes of an error. Only names of a fixed list come out.

use std::error::Error;
use std::io;

use crate::delta::fault::{FaultReason, NotFollowed};
use crate::trust::TrustFault;

/// Hosts where virtual machines of AWS, Azure and Google get credentials.
const METADATA_HOSTS: [&str; 2] = ["169.254.169.254", "metadata.google.internal"];

/// What the codes of S3, Azure and Google mean, whatever the HTTP status.
const CODES: [(&str, FaultReason); 22] = [
    ("RequestTimeTooSkewed", FaultReason::ClockSkew),
    ("NoSuchBucket", FaultReason::NoBucket),
    ("ContainerNotFound", FaultReason::NoBucket),
    ("ContainerBeingDeleted", FaultReason::NoBucket),
    ("PermanentRedirect", FaultReason::OtherRegion),
    ("TemporaryRedirect", FaultReason::OtherRegion),
    ("AuthorizationHeaderMalformed", FaultReason::OtherRegion),
    (
        "IllegalLocationConstraintException",
        FaultReason::OtherRegion,
    ),
    ("SlowDown", FaultReason::Throttled),
    ("ServerBusy", FaultReason::Throttled),
    ("ServiceUnavailable", FaultReason::Throttled),
    ("RequestLimitExceeded", FaultReason::Throttled),
    ("Throttling", FaultReason::Throttled),
    ("ThrottlingException", FaultReason::Throttled),
    ("SignatureDoesNotMatch", FaultReason::Unauthenticated),
    ("InvalidAccessKeyId", FaultReason::Unauthenticated),
    ("InvalidToken", FaultReason::Unauthenticated),
    ("InvalidSecurity", FaultReason::Unauthenticated),
    ("AuthenticationFailed", FaultReason::Unauthenticated),
    ("NoAuthenticationInformation", FaultReason::Unauthenticated),
    ("ExpiredToken", FaultReason::Expired),
    ("TokenRefreshRequired", FaultReason::Expired),
];

/// Texts that name a reason where there is no code, and the reason. Azure tells a wrong clock from a wrong key only in
/// the details of its answer, and Google in the description of its error.
const TEXTS: [(&str, FaultReason); 6] = [
    ("Request date header too old", FaultReason::ClockSkew),
    (
        "The Date header in the request is incorrect",
        FaultReason::ClockSkew,
    ),
    ("Token must be a short-lived token", FaultReason::ClockSkew),
    (
        "Received redirect without LOCATION",
        FaultReason::OtherRegion,
    ),
    ("status code: 429", FaultReason::Throttled),
    ("status code: 503", FaultReason::Throttled),
];

/// The parts of an error's causes that cannot be secret: kinds of system errors, and the store's error code.
#[derive(Default)]
pub(super) struct Causes {
    io: Option<io::ErrorKind>,
    unreachable: bool,
    no_credentials: bool,
    trust: Option<TrustFault>,
    named: Option<FaultReason>,
    code: Option<String>,
}

impl Causes {
    pub(super) fn of_io(kind: io::ErrorKind) -> Self {
        Self {
            io: Some(kind),
            ..Self::default()
        }
    }

    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        use object_store::client::{HttpError, HttpErrorKind};
        let text = error.to_string();
        let code = error_code(&text);
        let by_text = TEXTS.iter().find(|(known, _)| text.contains(known));
        let by_code = CODES
            .iter()
            .find(|(known, _)| code.as_deref() == Some(known));
        let mut causes = Self {
            trust: TrustFault::of(error),
            named: by_text.or(by_code).map(|(_, reason)| *reason),
            code,
            ..Self::default()
        };
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(io) = cause.downcast_ref::<io::Error>() {
                causes.io = Some(io.kind());
            }
            if cause.is::<NotFollowed>() {
                causes.named = Some(FaultReason::NotFollowed);
            }
            if let Some(http) = cause.downcast_ref::<HttpError>() {
                causes.unreachable |= !matches!(http.kind(), HttpErrorKind::Decode);
            }
            let text = cause.to_string();
            // The retry loop of `object_store` wraps the HTTP error. The text of the HTTP error remains, and its type
            // is lost.
            causes.unreachable |= text.starts_with("HTTP error: ");
            // A client without credentials asks the cloud's metadata host for some. Outside of that cloud there is no
            // such host.
            causes.no_credentials |= METADATA_HOSTS.iter().any(|host| text.contains(host));
            next = cause.source();
        }
        causes
    }

    /// Returns the reason that is known by its name, whatever the HTTP status was.
    pub(super) fn named(&self) -> Option<FaultReason> {
        self.trust.map(FaultReason::Trust).or(self.named)
    }

    /// Returns the reason of a call whose HTTP status says nothing.
    pub(super) fn reason(&self) -> FaultReason {
        match self.io {
            _ if self.no_credentials => FaultReason::Unauthenticated,
            _ if self.unreachable => FaultReason::Unreachable,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                FaultReason::StorageFull
            }
            Some(io::ErrorKind::PermissionDenied) => FaultReason::FolderDenied,
            Some(io::ErrorKind::ReadOnlyFilesystem) => FaultReason::ReadOnly,
            _ => FaultReason::Other,
        }
    }

    pub(super) fn detail(self) -> Option<String> {
        self.code.or_else(|| self.io.map(|kind| kind.to_string()))
    }
}

/// Finds the store's error code, such as `NoSuchBucket`, in the body that the text of `object_store` quotes. Accepts
/// letters only, so that no other part of the body gets through.
fn error_code(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_code = (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphabetic());
    is_code.then(|| code.to_owned())
}
