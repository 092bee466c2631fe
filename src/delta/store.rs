//! The object store of a lake: local disk, S3, GCS, Azure or memory, rooted at the lake's own prefix.
//!
//! Every key for [`TableStore::objects`] is relative to the lake, so nothing can be written outside of the lake.

mod disk_room;
#[cfg(test)]
pub(crate) mod faulty;
pub(crate) mod folder_risk;
pub(crate) mod leftovers;
mod local;
pub(crate) mod option_kind;
pub(crate) mod staged_file;

pub use disk_room::DiskRoom;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig};
use url::Url;

use crate::chance::fresh_uuid;
use crate::delta::fault::{FaultReason, ProbeStep, StoreError, StoreFault};
use crate::delta::object_key::TablePath;
use crate::time::Moment;
use crate::trust::TrustFault;

/// The store of one lake. Cheap to clone.
#[derive(Clone)]
pub struct TableStore {
    objects: Arc<dyn ObjectStore>,
    url: Url,
}

impl TableStore {
    /// Opens a lake's store: a plain path, `file:///path`, `s3://bucket/prefix`, `gs://bucket/prefix`,
    /// `az://container/prefix` (or `abfss://`), or `memory:`, which is a new and empty store each time.
    ///
    /// `options` are `object_store`'s configuration keys, such as `aws_endpoint`, `aws_allow_http` and `aws_region`.
    /// Options take precedence over the environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`). A local folder is created when
    /// it is missing.
    pub fn open(location: &str, options: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        match Address::of(location)? {
            Address::Folder(folder) => local::open(&folder, options),
            Address::Remote(url) => Self::remote(&url, options),
        }
    }

    /// Opens a lake's store, as [`open`](Self::open) does, without creating anything. `None` when the address is a local
    /// folder that is not there.
    pub fn open_existing(
        location: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, StoreError> {
        match Address::of(location)? {
            Address::Folder(folder) => local::open_existing(&folder, options),
            Address::Remote(url) => Self::remote(&url, options).map(Some),
        }
    }

    /// Tries what a lake at an address needs, as [`probe`](Self::probe) does, and leaves nothing behind: also no folder.
    pub async fn probe_at(
        location: &str,
        options: &BTreeMap<String, String>,
        folder: &str,
    ) -> Result<(), StoreError> {
        let created = match Address::of(location)? {
            Address::Folder(path) => local::created_folders(&path)?,
            Address::Remote(_) => Vec::new(),
        };
        let probed = match Self::open(location, options) {
            Ok(store) => store.probe(folder).await,
            Err(error) => Err(error),
        };
        for folder in created.iter().rev() {
            // A folder in which another process has begun a lake is not empty, and stays.
            drop(std::fs::remove_dir(folder));
        }
        probed
    }

    /// Returns the folder of a local lake's address.
    #[must_use]
    pub fn folder_of(location: &str) -> Option<PathBuf> {
        match Address::of(location) {
            Ok(Address::Folder(folder)) => Some(folder),
            _ => None,
        }
    }

    fn remote(url: &Url, options: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        let objects = match url.scheme() {
            "memory" => {
                reject_options(url.scheme(), options)?;
                return Ok(Self::memory());
            }
            "s3" | "s3a" => s3(url, options)?,
            "gs" => gcs(url, options)?,
            "az" | "azure" | "abfs" | "abfss" => azure(url, options)?,
            _ => return Err(StoreError::Location),
        };
        let prefix = Path::from_url_path(url.path()).map_err(|_| StoreError::Location)?;
        let shown = shown_url(url).ok_or(StoreError::Location)?;
        Ok(Self::over(
            Arc::new(PrefixStore::new(objects, prefix)),
            shown,
        ))
    }

    /// Makes a new, empty lake in memory. The new lake shares nothing with other lakes in memory.
    #[must_use]
    pub fn memory() -> Self {
        let url = Url::parse("memory:///").expect("a constant URL");
        Self::over(Arc::new(InMemory::new()), url)
    }

    /// Returns the lake's address for display, without credentials and query.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the address of a Delta table, in the form that readers take.
    #[must_use]
    pub fn table_url(&self, table: &TablePath) -> Url {
        self.url
            .join(table.as_str())
            .expect("a folder name joins any URL that ends with a slash")
    }

    /// Tries what Delta tables need, below a folder: a write, a create-if-absent, the same create again (which must
    /// fail), a read back, and deletes.
    pub async fn probe(&self, folder: &str) -> Result<(), StoreError> {
        let probed = self.probe_steps(folder).await;
        self.remove_empty(folder);
        probed
    }

    async fn probe_steps(&self, folder: &str) -> Result<(), StoreError> {
        let failed = |step| {
            move |fault| {
                let source = Some(fault);
                StoreError::Probe { step, source }
            }
        };
        let (plain, created) = (probe(folder), probe(folder));
        let put = self.objects.put(&plain, PutPayload::from_static(b"probe"));
        let put = put.await.map_err(StoreFault::from);
        put.map_err(failed(ProbeStep::Write))?;
        let first = self.create(&created, Bytes::from_static(b"first")).await;
        first.map_err(failed(ProbeStep::Create))?;
        let again = self.create(&created, Bytes::from_static(b"second")).await;
        let found = self.read(&created).await;
        let found = found.map_err(failed(ProbeStep::Read))?;
        for path in [&plain, &created] {
            let deleted = self.objects.delete(path).await.map_err(StoreFault::from);
            deleted.map_err(failed(ProbeStep::Delete))?;
        }
        let source = match again {
            Err(fault) if fault.reason() != FaultReason::AlreadyExists => Some(fault),
            Err(_) if found == "first" => return Ok(()),
            _ => None,
        };
        let step = ProbeStep::CreateAgain;
        Err(StoreError::Probe { step, source })
    }

    /// Returns the time of the store's own clock. Puts an object below a folder, reads its timestamp, and deletes the
    /// object.
    pub(crate) async fn clock(&self, folder: &str) -> Result<Moment, StoreFault> {
        let probe = probe(folder);
        let bytes = PutPayload::from_static(b"clock");
        self.objects.put(&probe, bytes).await?;
        let stamped = self.objects.head(&probe).await?;
        self.objects.delete(&probe).await?;
        self.remove_empty(folder);
        Ok(Moment::from_millis(
            stamped.last_modified.timestamp_millis(),
        ))
    }

    /// Removes a folder of a local lake if it is empty. Object stores have no folders.
    pub(crate) fn remove_empty(&self, folder: &str) {
        if let Some(folder) = self.local_folder(folder) {
            // Another process may be using the folder. It creates the folder again where it needs it.
            drop(std::fs::remove_dir(folder));
        }
    }

    /// Returns the symbolic links below a folder of a local lake, which nothing follows.
    pub(crate) async fn links(&self, folder: &Path) -> Result<Vec<Path>, StoreFault> {
        match self.local_folder("") {
            Some(root) => Ok(local::links(root, folder.clone()).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Reads a complete object.
    pub(crate) async fn read(&self, key: &Path) -> Result<Bytes, StoreFault> {
        let found = self.objects.get(key).await?;
        Ok(found.bytes().await?)
    }

    /// Reads a complete object. `None` when there is no such object.
    pub(crate) async fn read_if_there(&self, key: &Path) -> Result<Option<Bytes>, StoreFault> {
        match self.read(key).await {
            Err(fault) if fault.is_not_found() => Ok(None),
            read => read.map(Some),
        }
    }

    /// Puts an object only if no object has the key.
    pub(crate) async fn create(&self, key: &Path, bytes: Bytes) -> Result<(), StoreFault> {
        let options = PutOptions::from(PutMode::Create);
        self.objects.put_opts(key, bytes.into(), options).await?;
        Ok(())
    }

    /// Deletes an object. Succeeds also when the object is gone: another process deleted it first, or the answer to
    /// an earlier delete was lost.
    pub(crate) async fn delete(&self, key: &Path) -> Result<(), StoreFault> {
        match self.objects.delete(key).await.map_err(StoreFault::from) {
            Err(fault) if !fault.is_not_found() => Err(fault),
            _ => Ok(()),
        }
    }

    /// Returns the names of the folders at the lake's root, with one request.
    pub(crate) async fn folders(&self) -> Result<HashSet<String>, StoreFault> {
        let listed = self.objects.list_with_delimiter(None).await?;
        let folders = listed.common_prefixes.iter().filter_map(Path::filename);
        Ok(folders.map(str::to_owned).collect())
    }

    /// Returns a folder of the lake on the local disk. `None` on all other stores.
    pub(crate) fn local_folder(&self, below: &str) -> Option<PathBuf> {
        let root = self.url.to_file_path().ok()?;
        (self.url.scheme() == "file").then(|| root.join(below))
    }

    /// Returns how much room the disk of a local lake has. `None` on all other stores.
    pub(crate) fn disk_room(&self) -> Option<DiskRoom> {
        DiskRoom::of(&self.local_folder("")?)
    }

    /// Returns the object store. Keys of this store are relative to the lake.
    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Returns a store over any object store. Its keys are relative to the lake. The address is shown to readers, and is
    /// not opened.
    ///
    /// The object store must refuse a put of the mode [`PutMode::Create`] where the object exists, and must show each
    /// object to everybody as soon as the put has been answered.
    #[must_use]
    pub fn over(objects: Arc<dyn ObjectStore>, url: Url) -> Self {
        Self { objects, url }
    }
}

impl fmt::Debug for TableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The store's own text may quote its options.
        write!(f, "TableStore({})", self.url)
    }
}

/// What an address of a lake stands for.
enum Address {
    Folder(PathBuf),
    Remote(Url),
}

impl Address {
    fn of(location: &str) -> Result<Self, StoreError> {
        match Url::parse(location) {
            Ok(url) if url.scheme() == "file" => match url.to_file_path() {
                Ok(folder) => Ok(Self::Folder(folder)),
                Err(()) => Err(StoreError::Location),
            },
            // A scheme of one letter is a Windows drive.
            Ok(url) if url.scheme().len() > 1 => Ok(Self::Remote(url)),
            _ => Ok(Self::Folder(location.into())),
        }
    }
}

/// Returns a new key for a file that is written and deleted at once.
fn probe(folder: &str) -> Path {
    Path::from(format!("{folder}/{}", fresh_uuid()))
}

/// Removes parts that may be secret. Ends the path with a slash, so that joined paths are below it.
fn shown_url(url: &Url) -> Option<Url> {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.set_password(None).ok()?;
    if !shown.path().ends_with('/') {
        let path = format!("{}/", shown.path());
        shown.set_path(&path);
    }
    Some(shown)
}

fn reject_options(scheme: &str, options: &BTreeMap<String, String>) -> Result<(), StoreError> {
    match options.keys().next() {
        None => Ok(()),
        Some(key) => Err(StoreError::UnknownOption {
            key: key.clone(),
            scheme: scheme.to_owned(),
        }),
    }
}

fn known_key<K: FromStr>(key: &str, url: &Url) -> Result<K, StoreError> {
    key.to_ascii_lowercase()
        .parse()
        .map_err(|_| StoreError::UnknownOption {
            key: key.to_owned(),
            scheme: url.scheme().to_owned(),
        })
}

fn built<S: ObjectStore>(
    store: object_store::Result<S>,
    url: &Url,
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    match store {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(match TrustFault::of(&error) {
            Some(fault) => StoreError::Trust { fault },
            None => StoreError::Options {
                scheme: url.scheme().to_owned(),
            },
        }),
    }
}

/// Retries within one call of the store. A few are enough, because callers retry as well, and read back whose commit
/// is in the log.
fn short_retries() -> RetryConfig {
    RetryConfig {
        max_retries: 3,
        retry_timeout: Duration::from_secs(30),
        ..RetryConfig::default()
    }
}

fn s3(url: &Url, options: &BTreeMap<String, String>) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let mut builder = AmazonS3Builder::from_env()
        .with_url(url.as_str())
        .with_retry(short_retries());
    for (key, value) in options {
        builder = builder.with_config(known_key::<AmazonS3ConfigKey>(key, url)?, value);
    }
    built(builder.build(), url)
}

fn gcs(url: &Url, options: &BTreeMap<String, String>) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_url(url.as_str())
        .with_retry(short_retries());
    for (key, value) in options {
        builder = builder.with_config(known_key::<GoogleConfigKey>(key, url)?, value);
    }
    built(builder.build(), url)
}

fn azure(
    url: &Url,
    options: &BTreeMap<String, String>,
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_url(url.as_str())
        .with_retry(short_retries());
    for (key, value) in options {
        builder = builder.with_config(known_key::<AzureConfigKey>(key, url)?, value);
    }
    built(builder.build(), url)
}

#[cfg(test)]
mod tests;
