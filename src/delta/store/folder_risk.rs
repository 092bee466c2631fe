//! What is wrong with the rights of a folder that holds personal data or is to hold some.

use std::fmt;
use std::path::{Path, PathBuf};

/// Somebody else can read or change what is in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderRisk {
    /// The folder belongs to another user, who is not root.
    ForeignOwner {
        /// The folder.
        folder: PathBuf,
        /// The other user's id.
        owner: u32,
    },
    /// Every user may write to the folder.
    Writable {
        /// The folder.
        folder: PathBuf,
    },
    /// Every user may rename the folder or put another one in its place.
    Replaceable {
        /// The folder.
        folder: PathBuf,
        /// The folder above it that every user may write to, and that has no sticky bit.
        above: PathBuf,
    },
}

impl fmt::Display for FolderRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignOwner { folder, owner } => write!(
                f,
                "the folder {folder} belongs to another user (uid {owner}), who can read and change what is in it; run kombo-source as that user, or use a folder of your own",
                folder = folder.display()
            ),
            Self::Writable { folder } => write!(
                f,
                "every user of this machine can write to the folder {folder}; run: chmod o-w {folder}",
                folder = folder.display()
            ),
            Self::Replaceable { folder, above } => write!(
                f,
                "every user of this machine can replace the folder {folder}, because all may write to {above}; run: chmod o-w {above}",
                folder = folder.display(),
                above = above.display()
            ),
        }
    }
}

impl FolderRisk {
    /// Looks at the rights of a folder and of the folders above it. A folder that is not there has none of its own. Finds
    /// nothing on platforms without Unix rights.
    #[must_use]
    pub fn of(folder: &Path) -> Vec<Self> {
        Self::found(folder, effective_user())
    }

    #[cfg(unix)]
    fn found(folder: &Path, user: Option<u32>) -> Vec<Self> {
        use std::os::unix::fs::MetadataExt;
        const ROOT: u32 = 0;
        const OTHERS_WRITE: u32 = 0o002;
        const STICKY: u32 = 0o1000;
        let real = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let real = real.canonicalize().unwrap_or(real);
        let folder = || folder.to_owned();
        let mut risks = Vec::new();
        if let Ok(found) = std::fs::metadata(&real) {
            let (owner, mode) = (found.uid(), found.mode());
            // Root can read everything anyway, and owns the mounts of containers.
            if user.is_some_and(|user| user != owner) && owner != ROOT {
                let folder = folder();
                risks.push(Self::ForeignOwner { folder, owner });
            }
            if mode & OTHERS_WRITE != 0 {
                risks.push(Self::Writable { folder: folder() });
            }
        }
        let is_open = |above: &&Path| {
            let mode = std::fs::metadata(above).map(|found| found.mode());
            mode.is_ok_and(|mode| mode & OTHERS_WRITE != 0 && mode & STICKY == 0)
        };
        risks.extend(real.ancestors().skip(1).find(is_open).map(|above| {
            let (folder, above) = (folder(), above.to_owned());
            Self::Replaceable { folder, above }
        }));
        risks
    }

    #[cfg(not(unix))]
    fn found(_folder: &Path, _user: Option<u32>) -> Vec<Self> {
        Vec::new()
    }
}

/// Returns the user with whose rights this process works. `None` where the system does not tell in a file.
fn effective_user() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_folder_of_another_user_or_open_to_all_is_named_with_its_cure() {
        let base = tempfile::tempdir().expect("a folder");
        let above = base.path().canonicalize().expect("there").join("above");
        let lake = above.join("lake");
        create_dir(&above).expect("created");
        create_dir(&lake).expect("created");
        let set = |folder: &Path, mode| {
            set_permissions(folder, Permissions::from_mode(mode)).expect("set");
        };
        let owner = std::fs::metadata(&lake).expect("there").uid();
        set(&above, 0o755);
        set(&lake, 0o750);
        assert_eq!(FolderRisk::of(&lake), []);
        assert_eq!(FolderRisk::found(&lake, Some(owner)), []);
        // Root may give the folder away. Anyone else takes the part of another user.
        let (owner, user) = if owner == 0 {
            std::os::unix::fs::chown(&lake, Some(4711), None).expect("root may");
            (4711, 0)
        } else {
            (owner, owner + 1)
        };
        let folder = lake.clone();
        let foreign = FolderRisk::ForeignOwner { folder, owner };
        assert_eq!(FolderRisk::found(&lake, Some(user)), [foreign]);
        assert_eq!(FolderRisk::found(&lake, None), [], "not known");
        std::os::unix::fs::chown(&lake, effective_user(), None).expect("our own");
        set(&lake, 0o777);
        let folder = lake.clone();
        assert_eq!(FolderRisk::of(&lake), [FolderRisk::Writable { folder }]);
        set(&lake, 0o700);
        set(&above, 0o777);
        let (folder, open) = (lake.clone(), above.clone());
        let replaceable = FolderRisk::Replaceable {
            folder,
            above: open,
        };
        assert_eq!(FolderRisk::of(&lake), std::slice::from_ref(&replaceable));
        assert!(replaceable.to_string().contains("run: chmod o-w"));
        // With the sticky bit only owners rename, as in /tmp.
        set(&above, 0o1777);
        assert_eq!(FolderRisk::of(&lake), []);
        // A folder that is not there yet may be planted by anyone.
        set(&above, 0o777);
        assert_eq!(FolderRisk::of(&above.join("new")).len(), 1);
    }
}
