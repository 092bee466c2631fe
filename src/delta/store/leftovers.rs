//! Files that a killed writer left on a local disk.
//!
//! `object_store` writes a file as `<name>#<number>` and renames it when it is complete. It never lists a name of this
//! form, so nobody else would ever delete such a file. A file may be complete, with every row of a fetch.

use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::time::Moment;

/// A file that a killed writer left.
pub(crate) struct Leftover {
    /// The name below the folder that was searched.
    pub(crate) name: String,
    /// The size in bytes.
    pub(crate) size: u64,
    path: PathBuf,
}

impl Leftover {
    /// Deletes the file. Succeeds also when another process has deleted it already.
    pub(crate) fn delete(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Finds the files below a folder that were last written before an instant and never renamed. Follows no link.
pub(crate) fn leftovers(folder: &Path, before: Moment) -> io::Result<Vec<Leftover>> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        let entries = match std::fs::read_dir(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            // Does not follow links, unlike `Path::metadata`.
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if metadata.is_dir() {
                open.push(entry.path());
            } else if metadata.is_file() && is_leftover(&entry) && is_before(&metadata, before) {
                let path = entry.path();
                let name = path.strip_prefix(folder).unwrap_or(&path);
                found.push(Leftover {
                    name: name.to_string_lossy().into_owned(),
                    size: metadata.len(),
                    path,
                });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Returns whether a name is one of a file of ours that is being written.
fn is_leftover(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let Some((name, number)) = name.to_str().and_then(|name| name.rsplit_once('#')) else {
        return false;
    };
    let is_ours = match name.rsplit_once('.') {
        Some((_, extension)) => ["parquet", "json"].contains(&extension),
        None => name == "_last_checkpoint",
    };
    is_ours && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_before(metadata: &Metadata, before: Moment) -> bool {
    let since = metadata.modified().ok();
    let since = since.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let millis = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    millis.is_some_and(|millis| millis < before.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_ours_that_were_never_renamed_are_found_and_no_link_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        let put = |below: &Path, name: &str| {
            let path = below.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            std::fs::write(path, "rows").expect("written");
        };
        let left = [
            "_delta_log/00000000000000000007.json#1",
            "commit_date=x/part-a.zstd.parquet#12",
        ];
        for name in left {
            put(folder.path(), name);
        }
        for name in [
            "part-a.zstd.parquet",
            "part-a.zstd.parquet#",
            "part.parquet#1a",
            "notes#1",
        ] {
            put(folder.path(), name);
        }
        put(elsewhere.path(), "part-b.zstd.parquet#1");
        #[cfg(unix)]
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("link")).expect("a link");

        let (never, ever) = (Moment::from_millis(0), Moment::from_millis(i64::MAX));
        assert!(leftovers(folder.path(), never).expect("listed").is_empty());
        let found = leftovers(folder.path(), ever).expect("listed");
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, left);
        for one in &found {
            one.delete().expect("deleted");
            one.delete().expect("deleted already");
        }
        assert!(leftovers(folder.path(), ever).expect("listed").is_empty());
        assert!(elsewhere.path().join("part-b.zstd.parquet#1").exists());
    }
}
