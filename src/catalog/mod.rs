//! The endpoints of Kombo as data: paths, filters, models and typed columns.
//!
//! `schemas/` holds one JSON file per list endpoint and owns the truth about columns. The Arrow schemas, the decoder,
//! the planner and the twin all read the schema files. A new column or a new endpoint changes a schema file and no Rust
//! code. No field id may ever be used for another field.
//!
//! [`field`] has the shape of a column. [`columns`] turns a list of columns into an Arrow schema with the system
//! columns in front.

mod columns;
mod endpoint;
mod field;

pub use columns::{SystemColumn, system_columns};
pub use endpoint::{Endpoint, ModelLink, NestedReach, PageSize};
pub use field::{Field, FieldHints, FieldKind};

use std::path::Path;
use std::sync::{Arc, LazyLock};

use include_dir::{Dir, include_dir};

use crate::ids::{Category, EndpointName};

static SCHEMAS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schemas");

static EMBEDDED: LazyLock<Catalog> = LazyLock::new(|| {
    let files = SCHEMAS.dirs().flat_map(Dir::files);
    let texts = files.map(|file| {
        (
            file.path().display().to_string(),
            file.contents_utf8().unwrap_or_default(),
        )
    });
    Catalog::from_texts(texts)
        .expect("the schemas that ship with the crate are valid: a test reads them")
});

/// All endpoints that this build knows, sorted by category and then by name.
#[derive(Clone, Debug)]
pub struct Catalog {
    endpoints: Vec<Arc<Endpoint>>,
}

impl Catalog {
    /// Returns the endpoints that ship with the crate.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads every `<category>/<endpoint>.json` under a folder. The catalog may be newer or older than the embedded
    /// one.
    pub fn from_dir(folder: &Path) -> Result<Self, CatalogError> {
        let unreadable = |path: &Path| {
            let path = path.display().to_string();
            move |source| CatalogError::Unreadable { path, source }
        };
        let mut texts = Vec::new();
        for category in std::fs::read_dir(folder).map_err(unreadable(folder))? {
            let category = category.map_err(unreadable(folder))?.path();
            if !category.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(&category).map_err(unreadable(&category))? {
                let file = file.map_err(unreadable(&category))?.path();
                if file
                    .extension()
                    .is_some_and(|extension| extension == "json")
                {
                    texts.push((
                        file.display().to_string(),
                        std::fs::read_to_string(&file).map_err(unreadable(&file))?,
                    ));
                }
            }
        }
        Self::from_texts(texts)
    }

    /// Reads endpoints from pairs of file name and JSON text.
    pub fn from_texts<T: AsRef<str>>(
        texts: impl IntoIterator<Item = (String, T)>,
    ) -> Result<Self, CatalogError> {
        let mut endpoints = Vec::new();
        for (file, text) in texts {
            let endpoint = Endpoint::parse(text.as_ref())
                .map_err(|reason| CatalogError::Invalid { file, reason })?;
            endpoints.push(Arc::new(endpoint));
        }
        endpoints.sort_by(|a, b| a.name().cmp(b.name()));
        if endpoints.is_empty() {
            return Err(CatalogError::Empty);
        }
        Ok(Self { endpoints })
    }

    /// Returns every endpoint.
    #[must_use]
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// Returns the endpoints of a category that are fetched by default: all except the deprecated ones.
    pub fn defaults(&self, category: Category) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints
            .iter()
            .filter(move |endpoint| endpoint.category == category && !endpoint.deprecated)
    }

    /// Finds an endpoint by its name.
    #[must_use]
    pub fn get(&self, name: &EndpointName) -> Option<&Arc<Endpoint>> {
        self.find(name.as_str())
    }

    /// Finds an endpoint by `category/endpoint`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.name().as_str() == name)
    }

    /// Finds an endpoint by the name of its tables in the lake, such as `ats_applications`.
    #[must_use]
    pub fn find_table(&self, table: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.name().table_name() == table)
    }
}

/// Why schema files could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The folder, or a file in the folder, cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The path of the folder or file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold an endpoint schema.
    #[error("{file} is not an endpoint schema: {reason}")]
    Invalid {
        /// The name of the file.
        file: String,
        /// The problem in the file.
        reason: String,
    },
    /// The folder holds no endpoint schema.
    #[error("the folder holds no endpoint schema: expected files <category>/<endpoint>.json")]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_endpoint_of_the_four_categories_is_there() {
        let count = |category| {
            Catalog::embedded()
                .endpoints()
                .iter()
                .filter(|e| e.category == category)
                .count()
        };
        assert_eq!(Category::ALL.map(count), [13, 18, 4, 2]);
    }

    #[test]
    fn an_endpoint_is_found_by_either_name() {
        let catalog = Catalog::embedded();
        let endpoint = catalog.find("hris/time-off-balances").expect("known");
        assert_eq!(endpoint.path, "/hris/time-off-balances");
        assert_eq!(catalog.find_table("hris_time_off_balances"), Some(endpoint));
        assert_eq!(catalog.find("hris/nothing"), None);
    }

    #[test]
    fn a_deprecated_endpoint_is_fetched_only_when_named() {
        let names: Vec<_> = Catalog::embedded()
            .defaults(Category::Hris)
            .map(|e| e.name().to_string())
            .collect();
        assert!(
            !names.contains(&"hris/teams".to_owned()) && names.contains(&"hris/groups".to_owned()),
            "{names:?}"
        );
    }
}
