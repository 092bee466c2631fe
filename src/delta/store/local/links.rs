//! Refuses keys that lead through a symbolic link. The lake's root may be a link; nothing below it is followed.
//!
//! Each part of a path is looked at before the path is used. Whoever may write to the lake's folders can swap a part in
//! between; the modes of those folders keep others out.

use std::io;

use object_store::path::Path;
use object_store::{Error, Result};

use crate::delta::fault::NotFollowed;

/// Checks that a path below the root leads through folders only, and ends at a folder, at a file or at nothing.
pub(super) fn refuse_links(root: &std::path::Path, location: &Path) -> Result<()> {
    let mut path = root.to_owned();
    for part in location.parts() {
        path.push(part.as_ref());
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() || found.is_file() => {}
            Ok(_) => return Err(not_followed()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// Returns the error for a link in the way.
pub(super) fn not_followed() -> Error {
    Error::Generic {
        store: "LocalStore",
        source: Box::new(NotFollowed),
    }
}

/// Returns the error for a call of the operating system that failed.
pub(super) fn failed(error: io::Error) -> Error {
    let (path, kind, source) = (String::new(), error.kind(), Box::new(error));
    match kind {
        io::ErrorKind::NotFound => Error::NotFound { path, source },
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        _ => Error::Generic {
            store: "LocalStore",
            source,
        },
    }
}
