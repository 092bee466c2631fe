//! What can go wrong with the store itself. No error repeats the store's answer.

mod causes;

use std::io;

use crate::delta::fault::causes::Causes;
use crate::trust::TrustFault;

/// A failed call to the object store.
///
/// Holds the reason and a short label, and nothing else. The texts of `object_store` quote addresses and bodies, and
/// both may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
pub struct StoreFault {
    reason: FaultReason,
    detail: Option<String>,
}

/// Why a call to the object store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultReason {
    /// No object has this key.
    #[error("there is no such file or object")]
    NotFound,
    /// An object with this key exists already.
    #[error("the file or object exists already")]
    AlreadyExists,
    /// The credentials are not accepted.
    #[error("there are no credentials that the store accepts")]
    Unauthenticated,
    /// The credentials were valid for a limited time, which is over.
    #[error("the store's credentials have expired")]
    Expired,
    /// The store refuses the time in the request's signature.
    #[error("the clock of this machine differs too much from the store's clock")]
    ClockSkew,
    /// The bucket or container is not there.
    #[error("the bucket or container does not exist")]
    NoBucket,
    /// The bucket is in another region than the one that was asked.
    #[error("the bucket is in another region")]
    OtherRegion,
    /// The store is overloaded, or asks for fewer requests.
    #[error("the store is busy and asks for fewer requests")]
    Throttled,
    /// No encrypted connection to the store can be made.
    #[error("{0}")]
    Trust(TrustFault),
    /// The credentials are valid, but do not allow this call.
    #[error("permission denied")]
    PermissionDenied,
    /// The operating system does not let this user read or write there.
    #[error("this user has no right to read or write there")]
    FolderDenied,
    /// The store does not support this kind of call.
    #[error("the store does not support this kind of request")]
    Unsupported,
    /// Nothing can be written to the file system.
    #[error("the file system is read-only")]
    ReadOnly,
    /// The store accepted a file, and does not have it, or has another length of it.
    #[error("the store does not have a file that it accepted")]
    Lost,
    /// A symbolic link lies on the way to the file.
    #[error(
        "a symbolic link or a special file is in its place, and links inside the lake are not followed"
    )]
    NotFollowed,
    /// The disk is full.
    #[error("there is no space left on the disk")]
    StorageFull,
    /// The store was not reached, or did not answer in time.
    #[error("the store cannot be reached")]
    Unreachable,
    /// Anything else.
    #[error("the store failed")]
    Other,
}

impl FaultReason {
    /// Returns whether the reason says less than the step that failed.
    #[must_use]
    pub fn is_general(self) -> bool {
        matches!(
            self,
            Self::NotFound | Self::AlreadyExists | Self::PermissionDenied | Self::Other
        )
    }
}

impl StoreFault {
    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> FaultReason {
        self.reason
    }

    /// Returns whether no object has the key.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.reason == FaultReason::NotFound
    }

    /// Returns whether the same call may succeed later without anyone's help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.reason,
            // Clocks are set, and certificates and credentials are renewed, while a service runs.
            FaultReason::Unreachable
                | FaultReason::ClockSkew
                | FaultReason::Expired
                | FaultReason::Trust(_)
                | FaultReason::Throttled
                | FaultReason::Lost
                | FaultReason::Other
        )
    }

    /// Makes the fault of a file that the store accepted and does not have.
    pub(crate) const fn lost() -> Self {
        Self {
            reason: FaultReason::Lost,
            detail: None,
        }
    }

    /// Makes a fault of a library between this crate and the store. `label` must be a fixed term of that library.
    pub(crate) fn labelled(reason: FaultReason, label: &str) -> Self {
        Self {
            reason,
            detail: Some(label.to_owned()),
        }
    }
}

impl From<&object_store::Error> for StoreFault {
    fn from(error: &object_store::Error) -> Self {
        use object_store::Error;
        let causes = Causes::of(error);
        let reason = match error {
            _ if let Some(named) = causes.named() => named,
            Error::NotFound { .. } => FaultReason::NotFound,
            // A create that fails on its precondition means that the object exists.
            Error::AlreadyExists { .. } | Error::Precondition { .. } => FaultReason::AlreadyExists,
            Error::Unauthenticated { .. } => FaultReason::Unauthenticated,
            Error::PermissionDenied { .. } => FaultReason::PermissionDenied,
            Error::NotSupported { .. } | Error::NotImplemented { .. } => FaultReason::Unsupported,
            _ => causes.reason(),
        };
        // What is wrong with a certificate is said completely by its name.
        let is_trust = matches!(reason, FaultReason::Trust(_));
        let detail = causes.detail().filter(|_| !is_trust);
        Self { reason, detail }
    }
}

impl From<object_store::Error> for StoreFault {
    fn from(error: object_store::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&io::Error> for StoreFault {
    fn from(error: &io::Error) -> Self {
        let causes = Causes::of_io(error.kind());
        Self {
            reason: causes.reason(),
            detail: causes.detail(),
        }
    }
}

/// The local store's refusal to go through a symbolic link below the lake's root.
#[derive(Debug, thiserror::Error)]
#[error("links inside the lake are not followed")]
pub(crate) struct NotFollowed;

/// Why a lake could not be opened or cannot be written to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The location is not the address of a lake.
    #[error(
        "the lake's url is not valid: expected file:///path, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory:"
    )]
    Location,
    /// Stores of this kind have no option of this name.
    #[error("the option {key:?} does not exist for {scheme}:// locations")]
    UnknownOption {
        /// The option's key, never its value.
        key: String,
        /// The URL scheme of the store.
        scheme: String,
    },
    /// The options do not configure a usable store.
    #[error(
        "the options for {scheme}:// locations are not usable: check credentials, region and endpoint"
    )]
    Options {
        /// The URL scheme of the store.
        scheme: String,
    },
    /// No encrypted connection to the store could be made, whatever the store.
    #[error("no encrypted connection to the store can be made: {fault}")]
    Trust {
        /// What is wrong with the certificates that this machine trusts.
        fault: TrustFault,
    },
    /// The lake's folder cannot be created or opened.
    #[error("the lake's folder cannot be created or opened")]
    Folder {
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A step of [`probe`](crate::delta::store::TableStore::probe) failed.
    #[error("{step}")]
    Probe {
        /// The step that failed.
        step: ProbeStep,
        /// The store's reason. `None` when a call succeeded that should fail, or when a read returned other bytes.
        #[source]
        source: Option<StoreFault>,
    },
}

/// What a store must be able to do, in the order of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeStep {
    /// An ordinary put.
    #[error("writing a file failed")]
    Write,
    /// A put-if-absent where no object is.
    #[error("creating a new file failed")]
    Create,
    /// A put-if-absent where an object is. The store must refuse it.
    #[error("creating a file that exists already was not refused")]
    CreateAgain,
    /// A get of the object that was put.
    #[error("reading a file back failed")]
    Read,
    /// A delete of the object that was put.
    #[error("deleting a file failed")]
    Delete,
}

impl ProbeStep {
    /// Returns what to do when this step fails.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Write => {
                "check that the bucket or folder exists and that the credentials may put objects"
            }
            Self::Create => {
                "use a store that supports put-if-absent (If-None-Match on S3, hard links on a local disk)"
            }
            Self::CreateAgain => {
                "without put-if-absent two writers would overwrite each other: use a store that honours If-None-Match"
            }
            Self::Read => "allow the credentials to get and list objects",
            Self::Delete => {
                "allow the credentials to delete objects, which vacuum needs; remove kombo_probe/ by hand"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        }
    }

    #[test]
    fn a_store_out_of_reach_and_one_without_credentials_are_told_apart() {
        let refused = generic("HTTP error: connection refused");
        assert_eq!(StoreFault::from(refused).reason(), FaultReason::Unreachable);
        for text in [
            "HTTP error: no route to http://169.254.169.254/latest/api/token",
            "Error performing PUT http://169.254.169.254/latest/api/token - 403 Forbidden",
        ] {
            let fault = StoreFault::from(generic(text));
            assert_eq!(fault.reason(), FaultReason::Unauthenticated);
        }
    }

    #[test]
    fn a_fault_never_repeats_what_the_store_answered() {
        let fault = StoreFault::from(generic(
            "PUT https://b/?X-Amz-Signature=abc 403: <Code>SlowDown</Code><Message>jane@example.com</Message>",
        ));
        let shown = format!("{fault} {fault:?}");
        let text = "the store is busy and asks for fewer requests (SlowDown)";
        assert_eq!(fault.to_string(), text);
        assert!(!shown.contains("jane") && !shown.contains("abc"), "{shown}");
    }

    #[test]
    fn what_has_a_name_of_its_own_is_called_by_it_whatever_the_status() {
        let body = |code: &str| format!("403 Forbidden: <Code>{code}</Code>");
        for (text, reason) in [
            (body("RequestTimeTooSkewed"), FaultReason::ClockSkew),
            (
                format!(
                    "{} Request date header too old: 'x'",
                    body("AuthenticationFailed")
                ),
                FaultReason::ClockSkew,
            ),
            (body("AuthenticationFailed"), FaultReason::Unauthenticated),
            (body("SignatureDoesNotMatch"), FaultReason::Unauthenticated),
            (body("ExpiredToken"), FaultReason::Expired),
            (body("NoSuchBucket"), FaultReason::NoBucket),
            (body("ContainerNotFound"), FaultReason::NoBucket),
            (body("PermanentRedirect"), FaultReason::OtherRegion),
            (body("AccessDenied"), FaultReason::PermissionDenied),
            (
                "HTTP error: invalid peer certificate: UnknownIssuer".to_owned(),
                FaultReason::Trust(TrustFault::UnknownIssuer),
            ),
        ] {
            let error = object_store::Error::PermissionDenied {
                path: "a".to_owned(),
                source: text.clone().into(),
            };
            assert_eq!(StoreFault::from(error).reason(), reason, "{text}");
        }
    }

    #[test]
    fn a_disk_that_is_mounted_for_reading_is_no_missing_permission() {
        let error = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        assert_eq!(StoreFault::from(&error).reason(), FaultReason::ReadOnly);
    }

    /// On a local disk there are no credentials that could lack a right.
    #[test]
    fn a_folder_of_another_user_is_told_apart_from_credentials_without_a_right() {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let local = object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(refused()),
        };
        assert_eq!(StoreFault::from(local).reason(), FaultReason::FolderDenied);
        let fault = StoreFault::from(&refused());
        assert_eq!(fault.reason(), FaultReason::FolderDenied);
        assert!(!fault.reason().is_general(), "it says what to do");
        assert!(!fault.is_retryable());
    }

    #[test]
    fn a_code_that_is_no_code_is_left_out() {
        let fault = StoreFault::from(generic("<Code>jane@example.com</Code>"));
        assert_eq!(fault.to_string(), "the store failed");
    }

    #[test]
    fn a_full_disk_is_told_apart_and_not_retried() {
        let fault = StoreFault::from(object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        });
        assert_eq!(fault.reason(), FaultReason::StorageFull);
        assert!(!fault.is_retryable());
    }
}
