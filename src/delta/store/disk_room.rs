//! How much room a local disk has.

use std::path::Path;

/// The room of the file system that holds a folder, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRoom {
    /// What this user may still write.
    pub free: u64,
    /// What the file system can hold.
    pub total: u64,
}

impl DiskRoom {
    /// Asks the file system. `None` when it does not say.
    #[cfg(unix)]
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Self {
            free: bytes(found.f_bavail),
            total: bytes(found.f_blocks),
        })
    }

    /// Returns `None`: this system is not asked.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Path) -> Option<Self> {
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_no_more_room_than_it_can_hold() {
        let room = DiskRoom::of(&std::env::temp_dir()).expect("a file system");
        assert!(room.total > 0 && room.free <= room.total, "{room:?}");
        assert_eq!(DiskRoom::of(Path::new("/no/such/folder")), None);
    }
}
