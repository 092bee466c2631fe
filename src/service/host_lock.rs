//! The lock of `data_dir`: whoever has it knows that the process that had it before has ended.
//!
//! The lease names this lock. So a service that was killed and starts again on the same machine takes its own lease over at
//! once. The name holds what tells one locked file from all others: the boot of the machine, the device and the inode. A copy of
//! the folder, the same folder on another machine, and a disk that moved to another machine all give other names.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::delta::store::staged_file::{FileModes, create_folders};

/// Name of the file in `data_dir`. It stays empty.
const NAME: &str = "lease.lock";

/// The lock, taken or not. It is given back when the value is dropped, and at the end of the process.
#[derive(Debug)]
pub(super) struct HostLock {
    folder: PathBuf,
    taken: Option<(File, String)>,
}

impl HostLock {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            taken: None,
        }
    }

    /// Tries to take the lock, and returns its name. `None` while another process has it, and where the system cannot name it.
    pub(super) fn take(&mut self) -> Option<&str> {
        if self.taken.is_none() {
            self.taken = self.try_take();
        }
        self.taken.as_ref().map(|(_, name)| name.as_str())
    }

    fn try_take(&self) -> Option<(File, String)> {
        create_folders(&self.folder, FileModes::PRIVATE).ok()?;
        let path = self.folder.join(NAME);
        // A link in place of the file was put there by somebody, and is not followed.
        if std::fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return None;
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).ok()?;
        file.try_lock().ok()?;
        let name = name_of(&file)?;
        Some((file, name))
    }
}

/// Returns a name that no other locked file has. `None` on systems that do not name their boot.
#[cfg(target_os = "linux")]
fn name_of(file: &File) -> Option<String> {
    use std::fmt::Write as _;
    use std::os::unix::fs::MetadataExt;

    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let found = file.metadata().ok()?;
    let named = format!("{} {} {}", boot.trim(), found.dev(), found.ino());
    let digest = Sha256::digest(named);
    let mut name = String::new();
    for byte in digest.iter().take(16) {
        write!(name, "{byte:02x}").ok()?;
    }
    Some(name)
}

#[cfg(not(target_os = "linux"))]
fn name_of(_file: &File) -> Option<String> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_the_lock_and_the_next_one_gets_the_same_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut first = HostLock::new(folder.path());
        let name = first.take().expect("free").to_owned();
        assert_eq!(first.take(), Some(name.as_str()));
        let mut second = HostLock::new(folder.path());
        assert_eq!(second.take(), None);
        drop(first);
        assert_eq!(second.take(), Some(name.as_str()));
    }

    #[test]
    fn a_copy_of_the_folder_has_another_lock() {
        let [folder, copy] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let mut first = HostLock::new(folder.path());
        let name = first.take().expect("free").to_owned();
        std::fs::copy(folder.path().join(NAME), copy.path().join(NAME)).expect("copied");
        let mut second = HostLock::new(copy.path());
        assert_ne!(second.take().expect("free"), name);
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = folder.path().join("other");
        std::os::unix::fs::symlink(&other, folder.path().join(NAME)).expect("a link");
        assert_eq!(HostLock::new(folder.path()).take(), None);
        assert!(!other.exists());
    }
}
