//! New files on the local disk: with the mode of their folder, complete or not there, and never through a link.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The permissions of new files and folders. The umask of the process may take more away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileModes {
    file: u32,
    folder: u32,
}

impl FileModes {
    /// Only the owner may read.
    pub(crate) const PRIVATE: Self = Self {
        file: 0o600,
        folder: 0o700,
    };

    /// Returns the modes for what is new in an existing folder. The group and all others get the rights that they have
    /// on the folder, so that whoever sets up the folder decides who reads. Nobody but owner and group may write.
    #[cfg(unix)]
    pub(crate) fn as_in(folder: &Path) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder)?.permissions().mode();
        Ok(Self {
            file: (mode & 0o664) | 0o600,
            folder: (mode & 0o775) | 0o700,
        })
    }

    /// Returns the modes of the platform.
    #[cfg(not(unix))]
    pub(crate) fn as_in(_folder: &Path) -> io::Result<Self> {
        Ok(Self::PRIVATE)
    }
}

/// Creates the missing folders of a path, and syncs (fsync) each folder that got a new entry. Returns the folders that it
/// created, the uppermost first.
pub(crate) fn create_folders(path: &Path, modes: FileModes) -> io::Result<Vec<PathBuf>> {
    if path.is_dir() {
        return Ok(Vec::new());
    }
    let Some(parent) = path.parent() else {
        return Ok(Vec::new());
    };
    // A relative path of one part has an empty parent: the working folder.
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let mut created = create_folders(parent, modes)?;
    match create_folder(path, modes) {
        Ok(()) => created.push(path.to_owned()),
        // Another process created the folder first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(error),
    }
    sync_folder(parent)?;
    Ok(created)
}

#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "modes are a matter of Unix")
)]
fn create_folder(path: &Path, modes: FileModes) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, modes.folder);
    builder.create(path)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A folder cannot be synced on other platforms.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A file under a temporary name beside its target. Dropping it deletes the temporary file, so a failed write leaves
/// nothing. A crash leaves a file that no listing shows.
#[derive(Debug)]
pub(crate) struct StagedFile {
    file: File,
    beside: PathBuf,
    target: PathBuf,
}

impl StagedFile {
    /// Creates a file beside its target, under a name that no other file has: `<target>#<number>`, the form of
    /// `object_store`, which its listings leave out.
    pub(crate) fn fresh(target: &Path, modes: FileModes) -> io::Result<Self> {
        loop {
            let mut beside = target.as_os_str().to_owned();
            beside.push(format!("#{}", fastrand::u64(..)));
            match Self::create(beside.into(), target, modes) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created,
            }
        }
    }

    /// Creates the file under a fixed name. What has this name is a rest of a crash, or was put there by somebody: it is
    /// removed first. If it is a link, only the link is removed.
    pub(crate) fn named(beside: PathBuf, target: &Path, modes: FileModes) -> io::Result<Self> {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Self::create(beside, target, modes),
        }
    }

    /// `create_new` refuses whatever exists, a link included.
    #[cfg_attr(
        not(unix),
        expect(unused_variables, reason = "modes are a matter of Unix")
    )]
    fn create(beside: PathBuf, target: &Path, modes: FileModes) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, modes.file);
        let file = options.open(&beside)?;
        let target = target.to_owned();
        Ok(Self {
            file,
            beside,
            target,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    pub(crate) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)
    }

    /// Syncs the content and gives the file its name, in place of a file of that name. A crash leaves the old file or the
    /// new one.
    pub(crate) fn replace(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.target)?;
        self.sync_target()
    }

    /// Syncs the content and gives the file its name, only if no file has that name.
    pub(crate) fn publish_new(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::hard_link(&self.beside, &self.target)?;
        self.sync_target()
    }

    fn sync_target(&self) -> io::Result<()> {
        self.target.parent().map_or(Ok(()), sync_folder)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // After a rename there is no such file. The fresh name belongs to nobody else.
        drop(fs::remove_file(&self.beside));
    }
}
