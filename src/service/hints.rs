//! The hint file: which tables were announced and not fetched yet. A restart fetches the tables in this file first.
//!
//! Best effort: without the file every table is dirty after a start as well, only the order differs. The file holds
//! ids, never rows.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::delta::store::staged_file::{FileModes, StagedFile, create_folders};
use crate::ids::{IntegrationId, TableId};
use crate::json;

/// Name of the file in `data_dir`.
const NAME: &str = "announced.json";

/// Name of the file while it is written.
const BESIDE: &str = "announced.json.new";

/// The most tables that the file holds.
const MOST: usize = 10_000;

/// Where the hint file is kept.
#[derive(Clone, Debug)]
pub(super) struct Hints {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Noted {
    integration: String,
    endpoint: String,
}

impl Hints {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Reads the hints of the previous run. Returns no tables if the file is missing or damaged.
    pub(super) fn read(&self, catalog: &Catalog) -> Vec<TableId> {
        let file = self.folder.join(NAME);
        // A link in place of the file was put there by somebody, and is not followed.
        let is_file = std::fs::symlink_metadata(&file).is_ok_and(|found| found.is_file());
        let text = is_file.then(|| std::fs::read(&file).unwrap_or_default());
        let text = text.unwrap_or_default();
        let noted: Vec<Noted> = json::from_slice(&text).unwrap_or_default();
        let tables = noted.into_iter().filter_map(|noted| {
            Some(TableId {
                integration: IntegrationId::new(&noted.integration).ok()?,
                endpoint: catalog.find(&noted.endpoint)?.name().clone(),
            })
        });
        tables.collect()
    }

    /// Writes the file under another name, then renames it. A crash leaves the old file or the new one. Neither name is
    /// followed if it is a link. A folder that is made here is private.
    pub(super) fn write(&self, tables: &[TableId]) -> io::Result<()> {
        let noted: Vec<_> = (tables.iter().take(MOST))
            .map(|table| Noted {
                integration: table.integration.to_string(),
                endpoint: table.endpoint.to_string(),
            })
            .collect();
        create_folders(&self.folder, FileModes::PRIVATE)?;
        let modes = FileModes::as_in(&self.folder)?;
        let beside = self.folder.join(BESIDE);
        let mut file = StagedFile::named(beside, &self.folder.join(NAME), modes)?;
        file.write(&serde_json::to_vec(&noted)?)?;
        file.replace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_come_back_and_a_damaged_file_holds_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let hints = Hints::new(&folder.path().join("data"));
        let catalog = Catalog::embedded();
        assert!(hints.read(catalog).is_empty());
        let table = TableId {
            integration: IntegrationId::new("tool:a").expect("an id"),
            endpoint: catalog.find("ats/tags").expect("known").name().clone(),
        };
        hints.write(std::slice::from_ref(&table)).expect("written");
        assert_eq!(hints.read(catalog), [table]);
        let file = folder.path().join("data").join(NAME);
        let text = std::fs::read(&file).expect("there");
        std::fs::write(&file, r#"[["tool:a","ats/tags"]]"#).expect("arrays");
        assert!(hints.read(catalog).is_empty());
        for length in 0..text.len() {
            std::fs::write(&file, &text[..length]).expect("cut short");
            assert!(hints.read(catalog).is_empty());
        }
    }

    #[cfg(unix)]
    #[test]
    fn hints_are_private_and_follow_no_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let base = tempfile::tempdir().expect("a folder");
        let (folder, theirs) = (base.path().join("data"), base.path().join("theirs"));
        let hints = Hints::new(&folder);
        hints.write(&[]).expect("written");
        let mode = |path: &Path| {
            let found = std::fs::metadata(path).expect("there");
            found.permissions().mode() & 0o777
        };
        assert_eq!((mode(&folder), mode(&folder.join(NAME))), (0o700, 0o600));

        let theirs_text = r#"[{"integration":"tool:a","endpoint":"ats/tags"}]"#;
        std::fs::write(&theirs, theirs_text).expect("written");
        symlink(&theirs, folder.join(BESIDE)).expect("linked");
        hints.write(&[]).expect("written");
        std::fs::remove_file(folder.join(NAME)).expect("there");
        symlink(&theirs, folder.join(NAME)).expect("linked");
        assert!(hints.read(Catalog::embedded()).is_empty(), "not followed");
        hints.write(&[]).expect("written");
        let text = std::fs::read_to_string(&theirs).expect("there");
        assert_eq!(text, theirs_text);
        let left = std::fs::read_dir(&folder).expect("there").count();
        assert_eq!(left, 1, "the file, and no other");
    }
}
