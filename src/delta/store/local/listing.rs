//! Lists files below a folder, without following links.
//!
//! A symbolic link is left out, since nothing below the lake's root is followed. In the log of a table a link would be a
//! missing entry, so there it is an error.

use std::collections::VecDeque;
use std::fs::{DirEntry, ReadDir};
use std::io;
use std::path::PathBuf;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, Result};

use super::blocking;
use super::links::{failed, not_followed, refuse_links};

/// How many files are looked at in one go on a blocking thread.
const CHUNK: usize = 1024;

/// The name of the folder with the log of a table.
const LOG: &str = "_delta_log";

/// One entry of a folder.
enum FolderEntry {
    File(ObjectMeta),
    Folder(Path),
    Link(Path),
}

/// Walks through the folders below a prefix.
struct Walk {
    root: PathBuf,
    prefix: Option<Path>,
    open: Vec<(Path, ReadDir)>,
}

impl Walk {
    fn below(root: PathBuf, prefix: Option<&Path>) -> Self {
        let prefix = Some(prefix.cloned().unwrap_or_default());
        let open = Vec::new();
        Self { root, prefix, open }
    }

    fn open(&mut self, folder: Path) -> Result<()> {
        refuse_links(&self.root, &folder)?;
        match std::fs::read_dir(self.root.join(folder.as_ref())) {
            Ok(entries) => self.open.push((folder, entries)),
            // A folder that is not there has no files. Another process may delete one at any time.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(())
    }

    fn next_entry(&mut self) -> Result<Option<FolderEntry>> {
        if let Some(prefix) = self.prefix.take() {
            self.open(prefix)?;
        }
        while let Some((folder, entries)) = self.open.last_mut() {
            let Some(entry) = entries.next() else {
                self.open.pop();
                continue;
            };
            match entry.and_then(|entry| look(folder, &entry)) {
                Ok(Some(FolderEntry::Folder(below))) => self.open(below)?,
                Ok(Some(entry)) => return Ok(Some(entry)),
                Ok(None) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(None)
    }
}

impl Iterator for Walk {
    type Item = Result<ObjectMeta>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_entry().transpose()? {
                Ok(FolderEntry::File(file)) => return Some(Ok(file)),
                Ok(FolderEntry::Link(link)) if is_in_log(&link) => {
                    return Some(Err(not_followed()));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Lists the files below a prefix that come after `offset`, in no order.
pub(super) fn files(
    root: PathBuf,
    prefix: Option<&Path>,
    offset: Option<&Path>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let offset = offset.cloned();
    let is_after = move |found: &Result<ObjectMeta>| match (found, &offset) {
        (Ok(file), Some(offset)) => file.location > *offset,
        _ => true,
    };
    let walk = Walk::below(root, prefix).filter(is_after);
    stream::try_unfold((walk, VecDeque::new()), async |(mut walk, mut found)| {
        if found.is_empty() {
            let chunk = move || {
                found.extend(walk.by_ref().take(CHUNK));
                Ok((walk, found))
            };
            (walk, found) = blocking(chunk).await?;
        }
        let next = found.pop_front().transpose()?;
        Ok(next.map(|file| (file, (walk, found))))
    })
    .boxed()
}

/// Lists the files, and the folders and links, directly below a prefix.
pub(super) fn level(root: PathBuf, prefix: Option<&Path>) -> Result<ListResult> {
    let mut walk = Walk::below(root, prefix);
    let prefix = walk.prefix.take().unwrap_or_default();
    walk.open(prefix)?;
    let (mut objects, mut common_prefixes) = (Vec::new(), Vec::new());
    while let Some((folder, entries)) = walk.open.last_mut() {
        let Some(entry) = entries.next() else { break };
        match entry.and_then(|entry| look(folder, &entry)) {
            Ok(Some(FolderEntry::File(file))) => objects.push(file),
            Ok(Some(FolderEntry::Folder(below))) => common_prefixes.push(below),
            Ok(Some(FolderEntry::Link(link))) if is_in_log(&link) => return Err(not_followed()),
            // Whoever looks for the folder finds it, and is refused when it is opened. Otherwise a table behind a link
            // would look like a table that is not there.
            Ok(Some(FolderEntry::Link(link))) => common_prefixes.push(link),
            Ok(None) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    common_prefixes.sort();
    Ok(ListResult {
        common_prefixes,
        objects,
        extensions: object_store::Extensions::default(),
    })
}

/// Lists the symbolic links below a prefix.
pub(super) fn links(root: PathBuf, prefix: &Path) -> Result<Vec<Path>> {
    let mut walk = Walk::below(root, Some(prefix));
    let mut links = Vec::new();
    while let Some(entry) = walk.next_entry()? {
        if let FolderEntry::Link(link) = entry {
            links.push(link);
        }
    }
    Ok(links)
}

/// Looks at an entry. `None` for what can have no key: names that are not text, sockets, files that are being written.
fn look(folder: &Path, entry: &DirEntry) -> io::Result<Option<FolderEntry>> {
    let name = entry.file_name();
    let Some(name) = name.to_str().filter(|name| !is_staged(name)) else {
        return Ok(None);
    };
    let Ok(location) = Path::parse(format!("{folder}/{name}")) else {
        return Ok(None);
    };
    let kind = entry.file_type()?;
    if kind.is_symlink() {
        return Ok(Some(FolderEntry::Link(location)));
    }
    if kind.is_dir() {
        return Ok(Some(FolderEntry::Folder(location)));
    }
    if !kind.is_file() {
        return Ok(None);
    }
    let metadata = entry.metadata()?;
    Ok(Some(FolderEntry::File(ObjectMeta {
        location,
        last_modified: metadata.modified()?.into(),
        size: metadata.len(),
        e_tag: None,
        version: None,
    })))
}

/// Returns whether a file is not published yet: `<name>#<number>`.
fn is_staged(name: &str) -> bool {
    let suffix = name.split_once('#').map(|(_, suffix)| suffix);
    suffix.is_some_and(|suffix| {
        !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_in_log(link: &Path) -> bool {
    link.parts().any(|part| part.as_ref() == LOG)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
