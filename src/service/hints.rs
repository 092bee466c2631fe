//! The hint file: which tables were announced and not fetched yet. A restart fetches the tables in this file first.
//!
//! Best effort: without the file every table is dirty after a start as well, only the order differs. The file holds
//! ids, never rows.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::ids::{IntegrationId, TableId};
use crate::json;

/// Name of the file in `data_dir`.
const NAME: &str = "announced.json";

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
        let text = std::fs::read(self.folder.join(NAME)).unwrap_or_default();
        let noted: Vec<Noted> = json::from_slice(&text).unwrap_or_default();
        let tables = noted.into_iter().filter_map(|noted| {
            Some(TableId {
                integration: IntegrationId::new(&noted.integration).ok()?,
                endpoint: catalog.find(&noted.endpoint)?.name().clone(),
            })
        });
        tables.collect()
    }

    /// Writes the file under another name, then renames it. A crash leaves the old file or the new one.
    pub(super) fn write(&self, tables: &[TableId]) -> io::Result<()> {
        let noted: Vec<_> = (tables.iter().take(MOST))
            .map(|table| Noted {
                integration: table.integration.to_string(),
                endpoint: table.endpoint.to_string(),
            })
            .collect();
        std::fs::create_dir_all(&self.folder)?;
        let (file, beside) = (
            self.folder.join(NAME),
            self.folder.join("announced.json.new"),
        );
        std::fs::write(&beside, serde_json::to_vec(&noted)?)?;
        std::fs::rename(beside, file)
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
}
