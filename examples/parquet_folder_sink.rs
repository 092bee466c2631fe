//! A sink of plain Parquet files, one folder per table: an example to copy.
//!
//! `<root>/<endpoint>/<integration key>/table.json` is the manifest: it names the files that are visible, and how far they
//! cover the table. A commit replaces the manifest by a rename, so files and positions become visible together or not at
//! all. A file that no manifest names is orphaned, and may be deleted while nothing is fetched.
//!
//! A reader takes the newest observation of each row (`_fetched_at`) over all files of the manifest.
//!
//! One process writes to a root at a time: two of them would need a rename that fails where somebody else was faster.
//!
//! `KOMBO_API_KEY=... cargo run --example parquet_folder_sink -- ROOT tool:id ats/tags` fetches one table.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use fastrand::Rng;
use futures_util::{Stream, StreamExt};
use kombo_source::api::{ApiKey, ApiSettings, HttpApi, Region};
use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::decode::DecodeLimits;
use kombo_source::fetch::{Fetch, FetchEnd, FetchMode, Lane};
use kombo_source::ids::{FetchId, IntegrationId, TableId};
use kombo_source::ingest::{Ingest, IngestSettings, Order, Progress, Watch, next_mode};
use kombo_source::plan::{Announced, Kind};
use kombo_source::sample::Sample;
use kombo_source::sink::{
    Advance, Coverage, MissingRow, MissingRows, Receipt, Sink, SinkError, Staged, WriteError,
};
use kombo_source::stream::{FetchError, FetchEvent};
use kombo_source::time::{Clock, ObservedAt, SystemClock, Tier};
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

/// What is visible of a table, and how far it covers the table.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The files of the live snapshot.
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
    mode: FetchMode,
    /// What the table held when the fetch began.
    start: Coverage,
    /// The file's name; `None` for a fetch without rows.
    file: Option<String>,
    rows: u64,
    /// Its first observation.
    first: Option<ObservedAt>,
    end: FetchEnd,
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
        let _held = self
            .committing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut manifest = Manifest::read(folder)?;
        if !change(&mut manifest) {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        let fresh = folder.join("table.json.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(&manifest)?)?;
        file.sync_all()?;
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

    /// Returns when each row was observed last, and whether it was there.
    fn newest(&self, folder: &Path) -> Result<HashMap<String, (ObservedAt, bool)>, SinkError> {
        let mut newest = HashMap::new();
        for name in [&self.earlier, &self.snapshot, &self.deltas]
            .into_iter()
            .flatten()
        {
            for (id, seen, is_there) in rows(&folder.join(name))? {
                let known = newest.entry(id).or_insert((seen, is_there));
                if seen >= known.0 {
                    *known = (seen, is_there);
                }
            }
        }
        Ok(newest)
    }
}

impl Sink for ParquetFolderSink {
    type Staged = StagedFile;

    async fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, SinkError> {
        let manifest = Manifest::read(&self.folder(endpoint, integration)).map_err(failed)?;
        Ok(manifest.coverage)
    }

    async fn stage(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> Result<StagedFile, WriteError> {
        let folder = self.folder(endpoint, &fetch.table.integration);
        // Before the first event: what is committed from now on supersedes this fetch.
        let start = Manifest::read(&folder).map_err(failed)?.coverage;
        // Fetches may share an id: each needs a name of its own.
        let name = format!("{}.parquet", FetchId::fresh().as_str());
        let (mut writer, mut rows, mut first) = (None, 0, None);
        let mut events = pin!(events);
        while let Some(event) = events.next().await {
            match event.map_err(WriteError::Fetch)? {
                FetchEvent::Batch(batch) => {
                    if writer.is_none() {
                        fs::create_dir_all(&folder).map_err(failed)?;
                        let file = File::create_new(folder.join(&name)).map_err(failed)?;
                        let open = ArrowWriter::try_new(file, batch.schema(), None);
                        writer = Some(open.map_err(failed)?);
                    }
                    let writer = writer.as_mut().expect("opened above");
                    writer.write(&batch).map_err(failed)?;
                    rows += batch.num_rows() as u64;
                    first = first.into_iter().chain(times(&batch)).min();
                }
                FetchEvent::End(end) => {
                    let file = writer.map(|writer| close(writer).map(|()| name));
                    return Ok(StagedFile {
                        sink: self.clone(),
                        folder,
                        mode: fetch.mode,
                        start,
                        file: file.transpose().map_err(failed)?,
                        rows,
                        first,
                        end,
                        keeps_replaced: false,
                    });
                }
                // Pages are for progress bars. Rows without an id have no place in a table: keep them elsewhere.
                _ => {}
            }
        }
        // Without its end a fetch is not whole. Its file is orphaned.
        Err(WriteError::Fetch(FetchError::Stopped { page: 0 }))
    }

    async fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> Result<(), SinkError> {
        for advance in advances {
            let folder = self.folder(endpoint, &advance.integration);
            let raise = |manifest: &mut Manifest| {
                let is_same = manifest.coverage.watermarks == advance.watermarks;
                for tier in Tier::ALL {
                    if let Some(base) = advance.bases.get(tier).filter(|_| is_same) {
                        manifest.coverage.bases.raise(tier, base);
                    }
                }
                is_same
            };
            self.replace(&folder, raise).map_err(failed)?;
        }
        Ok(())
    }
}

impl StagedFile {
    /// Returns whether somebody committed to this part of the table since the fetch began.
    fn is_overtaken(&self, now: &Coverage) -> bool {
        let (seen, start) = (now.watermarks, &self.start);
        match self.mode {
            FetchMode::Snapshot => seen.snapshots != start.watermarks.snapshots,
            FetchMode::Delta { .. } => {
                let is_later = self.first.is_none_or(|first| Some(first) > seen.deltas);
                seen.deltas != start.watermarks.deltas || now.bases != start.bases || !is_later
            }
        }
    }

    /// Puts the fetch into a manifest; returns the new watermark of its part.
    fn add_to(&self, manifest: &mut Manifest) -> ObservedAt {
        let Coverage {
            bases,
            snapshot_base,
            seen,
            watermarks,
        } = &mut manifest.coverage;
        let watermark = match self.mode {
            FetchMode::Snapshot => {
                let replaced = std::mem::replace(&mut manifest.snapshot, self.files());
                if self.keeps_replaced {
                    manifest.earlier.extend(replaced);
                } else {
                    manifest.earlier.clear();
                }
                *snapshot_base = (*snapshot_base).max(self.end.base);
                &mut watermarks.snapshots
            }
            FetchMode::Delta { .. } => {
                manifest.deltas.extend(self.files());
                &mut watermarks.deltas
            }
        };
        // Each commit raises the watermark, also one without a new observation.
        let least = watermark.map_or(i64::MIN, |before| before.as_micros() + 1);
        let raised = ObservedAt::from_micros(self.end.seen.as_micros().max(least));
        *watermark = Some(raised);
        *seen = (*seen).max(Some(raised));
        for tier in self.mode.moves() {
            if let Some(base) = self.end.base {
                bases.raise(tier, base);
            }
        }
        raised
    }

    fn files(&self) -> Vec<String> {
        self.file.iter().cloned().collect()
    }
}

impl Staged for StagedFile {
    async fn missing(&mut self, limit: usize, random: Rng) -> Result<MissingRows, SinkError> {
        if self.mode != FetchMode::Snapshot {
            return Ok(MissingRows::default());
        }
        let manifest = Manifest::read(&self.folder).map_err(failed)?;
        let mut known = manifest.newest(&self.folder)?;
        if let Some(name) = &self.file {
            for (id, ..) in rows(&self.folder.join(name))? {
                known.remove(&id);
            }
        }
        let mut sample = Sample::new(limit, random);
        for (id, (last_seen, _)) in known.into_iter().filter(|(_, (_, is_there))| *is_there) {
            sample.offer(|| MissingRow {
                id,
                last_seen,
                lacked_twice: false,
            });
        }
        Ok(MissingRows {
            total: sample.met(),
            ids: sample.into_kept(),
            as_of: manifest.coverage.watermarks.deltas,
            ..MissingRows::default()
        })
    }

    async fn take_over(&mut self) -> Result<(), SinkError> {
        self.keeps_replaced = true;
        Ok(())
    }

    async fn commit(self) -> Result<Receipt, SinkError> {
        let bytes = match &self.file {
            Some(name) => fs::metadata(self.folder.join(name)).map_err(failed)?.len(),
            None => 0,
        };
        let mut raised = None;
        let add = |manifest: &mut Manifest| {
            let is_overtaken = self.is_overtaken(&manifest.coverage);
            raised = (!is_overtaken).then(|| self.add_to(manifest));
            !is_overtaken
        };
        self.sink.replace(&self.folder, add).map_err(failed)?;
        Ok(
            raised.map_or(Receipt::Superseded, |seen| Receipt::Committed {
                version: 0,
                rows: self.rows,
                files: self.files().len() as u64,
                bytes,
                seen,
            }),
        )
    }
}

/// Makes a data file durable: the manifest must never name one that a crash can take away.
fn close(writer: ArrowWriter<File>) -> io::Result<()> {
    writer.into_inner().map_err(io::Error::other)?.sync_all()
}

/// Returns each row's id, when it was observed, and whether it was there.
pub(crate) fn rows(path: &Path) -> Result<Vec<(String, ObservedAt, bool)>, SinkError> {
    let file = File::open(path).map_err(failed)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build);
    let mut found = Vec::new();
    for batch in reader.map_err(failed)? {
        let batch = batch.map_err(failed)?;
        let (ids, ops) = (text(&batch, "id"), text(&batch, "_op"));
        let rows = ids.into_iter().zip(times(&batch)).zip(ops);
        found.extend(rows.map(|((id, seen), op)| (id, seen, op == "upsert")));
    }
    Ok(found)
}

fn text(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).expect("every table has it");
    column
        .as_string::<i32>()
        .iter()
        .flatten()
        .map(str::to_owned)
        .collect()
}

fn times(batch: &RecordBatch) -> Vec<ObservedAt> {
    let column = batch
        .column_by_name("_fetched_at")
        .expect("every table has it");
    let times = column.as_primitive::<TimestampMicrosecondType>().values();
    times
        .iter()
        .map(|at| ObservedAt::from_micros(*at))
        .collect()
}

/// The causes name files and system errors, never the value of a row.
fn failed(error: impl Error + Send + Sync + 'static) -> SinkError {
    SinkError::new(
        error,
        "check the folder of the table, its rights and the free space",
    )
    .retryable(true)
}

struct Silent;

impl Watch for Silent {
    fn step(&self, _: Progress<'_>) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = |what| args.next().ok_or(format!("{what} is missing"));
    let sink = ParquetFolderSink::open(next("ROOT")?);
    let integration = IntegrationId::new(&next("the integration's id")?)?;
    let endpoint = Catalog::embedded()
        .find(&next("the endpoint")?)
        .ok_or("no such endpoint")?;
    let key = ApiKey::new(&std::env::var("KOMBO_API_KEY")?)?;
    let (url, settings) = (Region::default().base_url(), ApiSettings::default());
    let api = HttpApi::new(url, &key, &settings, Arc::new(SystemClock))?;
    let ingest = Ingest::new(
        Arc::new(api),
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
        mode: next_mode(
            &coverage,
            endpoint,
            SystemClock.now().as_millis(),
            Kind::Delta,
        ),
        lane: Lane::Backfill,
        coverage,
        announced: Announced::default(),
    };
    let done = ingest.run(order, (), &Silent).await?;
    println!(
        "{} {}: {} rows",
        done.mode.as_str(),
        done.ending.as_str(),
        done.counts.committed
    );
    // A delta that found nothing covers its table all the same.
    Ok(ingest.flush_bases(|_| false).await?)
}
