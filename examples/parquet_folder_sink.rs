//! A sink of plain Parquet files, one folder per table: an example to copy.
//!
//! `<root>/<endpoint>/<integration key>/table.json` is the manifest: it names the files that are visible, and how far they
//! cover the table. A commit replaces the manifest by a rename, so files and coverage become visible together or not at
//! all. A file that no manifest names is orphaned, and may be deleted while nothing is fetched. A reader takes the newest
//! observation of each row (`_fetched_at`) over all files of the manifest.
//!
//! One process writes to a root at a time: two of them would need a rename that fails where somebody else was faster.
//!
//! `KOMBO_API_KEY=... cargo run --example parquet_folder_sink -- ROOT tool:id ats/tags` fetches one table. `KOMBO_API_URL`
//! replaces the address of the European region, for example by the address that `kombo-source twin` prints.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use futures_util::Stream;
use kombo_source::api::{ApiKey, ApiSettings, BaseUrl, HttpApi, Region};
use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::decode::{DecodeLimits, observed_rows};
use kombo_source::fetch::{Fetch, FetchMode, Lane};
use kombo_source::ids::{FetchId, IntegrationId, TableId};
use kombo_source::ingest::{Ingest, IngestSettings, Order, next_mode};
use kombo_source::plan::{Announced, Kind};
use kombo_source::sink::{
    Advance, Coverage, MissingRows, Receipt, Sink, SinkError, Staged, WholeFetch, WriteError,
};
use kombo_source::stream::{FetchError, FetchEvent};
use kombo_source::time::{Clock, ObservedAt, SystemClock};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};

/// Keeps each table in a folder below its root. File calls block the thread: a busy sink moves them to
/// `tokio::task::spawn_blocking`.
#[derive(Clone)]
pub(crate) struct ParquetFolderSink {
    root: PathBuf,
    /// Held while a manifest is read and replaced, so that no commit of this process is lost to another one.
    committing: Arc<Mutex<()>>,
}

/// What is visible of a table, and how far it covers the table. The file is the truth; nothing of it is kept in memory.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The file of the live snapshot.
    pub(crate) snapshot: Vec<String>,
    /// Files of earlier snapshots, kept for rows that the live one lacks and that nobody knows to be gone.
    earlier: Vec<String>,
    /// The files of deltas, in the order of their commits.
    pub(crate) deltas: Vec<String>,
    coverage: Coverage,
}

/// A whole fetch in a file that no manifest names yet.
pub(crate) struct StagedFile {
    sink: ParquetFolderSink,
    folder: PathBuf,
    name: String,
    fetch: WholeFetch,
    keeps_replaced: bool,
}

impl ParquetFolderSink {
    /// Opens a root. Nothing has to be recovered after a crash.
    pub(crate) fn open(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            committing: Arc::default(),
        }
    }

    /// Returns the folder of a table.
    pub(crate) fn folder(&self, endpoint: &Endpoint, integration: &IntegrationId) -> PathBuf {
        let endpoint = self.root.join(endpoint.name().table_name());
        endpoint.join(integration.key().as_str())
    }

    /// Changes a manifest where `change` says so.
    fn replace(&self, folder: &Path, change: impl FnOnce(&mut Manifest) -> bool) -> io::Result<()> {
        let held = self.committing.lock();
        let _held = held.unwrap_or_else(PoisonError::into_inner);
        let mut manifest = Manifest::read(folder)?;
        if !change(&mut manifest) {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        let fresh = folder.join("table.json.new");
        fs::write(&fresh, serde_json::to_vec_pretty(&manifest)?)?;
        File::open(&fresh)?.sync_all()?;
        // This is the commit. A crash before it leaves the manifest as it was, and a file that is overwritten next time.
        fs::rename(&fresh, folder.join("table.json"))?;
        File::open(folder)?.sync_all()
    }
}

impl Manifest {
    /// Reads a table's manifest. A table without one is new; a manifest that cannot be read is an error, and never new.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        match fs::read(folder.join("table.json")) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }
}

impl Sink for ParquetFolderSink {
    type Staged = StagedFile;

    async fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, SinkError> {
        let manifest = Manifest::read(&self.folder(endpoint, integration));
        Ok(manifest.map_err(failed)?.coverage)
    }

    async fn stage(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> Result<StagedFile, WriteError> {
        let integration = &fetch.table.integration;
        // Before the first event: what is committed from now on supersedes this fetch.
        let start = self.covered(endpoint, integration).await?;
        let folder = self.folder(endpoint, integration);
        fs::create_dir_all(&folder).map_err(failed)?;
        // Fetches may share an id: each needs a name of its own.
        let name = format!("{}.parquet", FetchId::fresh().as_str());
        let file = File::create_new(folder.join(&name)).map_err(failed)?;
        let mut writer = ArrowWriter::try_new(file, endpoint.schema(), None).map_err(failed)?;
        let write = |batch| writer.write(&batch).map_err(failed);
        // Without its end a fetch is not whole. Its file is orphaned.
        let whole = WholeFetch::take(fetch.mode, start, events, write).await?;
        // The manifest must never name a file that a crash can take away.
        let file = writer.into_inner().map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(StagedFile {
            sink: self.clone(),
            folder,
            name,
            fetch: whole,
            keeps_replaced: false,
        })
    }

    async fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> Result<(), SinkError> {
        for advance in advances {
            let folder = self.folder(endpoint, &advance.integration);
            let raise = |manifest: &mut Manifest| manifest.coverage.advance(advance);
            self.replace(&folder, raise).map_err(failed)?;
        }
        Ok(())
    }
}

impl Staged for StagedFile {
    async fn missing(&mut self, limit: usize, random: Rng) -> Result<MissingRows, SinkError> {
        if self.fetch.mode != FetchMode::Snapshot {
            return Ok(MissingRows::default());
        }
        let manifest = Manifest::read(&self.folder).map_err(failed)?;
        let files = manifest.earlier.iter().chain(&manifest.snapshot);
        let mut known = Vec::new();
        for name in files.chain(&manifest.deltas) {
            known.extend(rows(&self.folder.join(name))?);
        }
        let own = rows(&self.folder.join(&self.name))?;
        let own = own.iter().map(|(id, ..)| id);
        Ok(MissingRows {
            as_of: manifest.coverage.watermarks.deltas,
            ..MissingRows::between(known, own, limit, random)
        })
    }

    async fn take_over(&mut self) -> Result<(), SinkError> {
        self.keeps_replaced = true;
        Ok(())
    }

    async fn commit(self) -> Result<Receipt, SinkError> {
        let file = fs::metadata(self.folder.join(&self.name)).map_err(failed)?;
        let mut committed = None;
        let add = |manifest: &mut Manifest| {
            committed = self.fetch.commit(&mut manifest.coverage);
            match self.fetch.mode {
                _ if committed.is_none() => return false,
                FetchMode::Delta { .. } => manifest.deltas.push(self.name.clone()),
                FetchMode::Snapshot => {
                    let new = vec![self.name.clone()];
                    let replaced = std::mem::replace(&mut manifest.snapshot, new);
                    if self.keeps_replaced {
                        manifest.earlier.extend(replaced);
                    } else {
                        manifest.earlier.clear();
                    }
                }
            }
            true
        };
        self.sink.replace(&self.folder, add).map_err(failed)?;
        Ok(
            committed.map_or(Receipt::Superseded, |seen| Receipt::Committed {
                version: 0,
                rows: self.fetch.rows,
                files: 1,
                bytes: file.len(),
                seen,
            }),
        )
    }
}

/// Returns each row's id, when it was observed, and whether it was there.
pub(crate) fn rows(path: &Path) -> Result<Vec<(String, ObservedAt, bool)>, SinkError> {
    let file = File::open(path).map_err(failed)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build);
    let mut found = Vec::new();
    for batch in reader.map_err(failed)? {
        let batch = batch.map_err(failed)?;
        let rows = observed_rows(&batch);
        found.extend(rows.map(|row| (row.id.to_owned(), row.at, row.is_there())));
    }
    Ok(found)
}

/// The causes name files and system errors, never the value of a row.
fn failed(error: impl Error + Send + Sync + 'static) -> SinkError {
    let advice = "check the folder of the table, its rights and the free space";
    SinkError::new(error, advice).retryable(true)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = |what| args.next().ok_or(format!("{what} is missing"));
    let sink = ParquetFolderSink::open(next("ROOT")?);
    let integration = IntegrationId::new(&next("the integration's id")?)?;
    let endpoint = Catalog::embedded().find(&next("the endpoint")?);
    let endpoint = endpoint.ok_or("no such endpoint")?;
    let key = ApiKey::new(&std::env::var("KOMBO_API_KEY")?)?;
    let url = match std::env::var("KOMBO_API_URL") {
        Ok(url) => BaseUrl::parse(&url)?,
        Err(_) => Region::default().base_url(),
    };
    let (settings, clock) = (ApiSettings::default(), Arc::new(SystemClock));
    let api = Arc::new(HttpApi::new(url, &key, &settings, clock)?);
    let ingest = Ingest::new(
        api,
        sink,
        DecodeLimits::default(),
        IngestSettings::default(),
    );
    let coverage = ingest.covered(endpoint, &integration).await?;
    let order = Order {
        table: TableId {
            integration,
            endpoint: endpoint.name().clone(),
        },
        endpoint: Arc::clone(endpoint),
        mode: next_mode(&coverage, endpoint, SystemClock.now(), Kind::Delta),
        lane: Lane::Backfill,
        coverage,
        announced: Announced::default(),
    };
    let done = ingest.run(order, (), &()).await?;
    let (mode, ending) = (done.mode.as_str(), done.ending.as_str());
    println!("{mode} {ending}: {} rows", done.counts.committed);
    // A delta that found nothing covers its table all the same.
    Ok(ingest.flush_bases(|_| false).await?)
}
