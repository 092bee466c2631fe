//! The Delta kernel library: finds the newest version, replays checkpoints, writes checkpoints.
//!
//! Calls of the kernel block, so they run on a blocking thread. The kernel's own I/O runs on a separate runtime: the
//! executor that can write checkpoints needs a multi-threaded runtime, and the caller's runtime may have one thread.

use std::sync::{Arc, LazyLock};

use delta_kernel::arrow::json::LineDelimitedWriter;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{KernelError, Snapshot};
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::{DefaultEngine, DefaultEngineBuilder};

use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::log::action::{LogLine, from_json_lines};
use crate::delta::log::log_error::LogError;
use crate::delta::object_key::TablePath;
use crate::delta::store::TableStore;

type Engine = DefaultEngine<TokioMultiThreadExecutor>;

/// Lives as long as the process, because a runtime must not be dropped inside another runtime.
static EXECUTOR: LazyLock<Result<Arc<TokioMultiThreadExecutor>, StoreFault>> =
    LazyLock::new(|| {
        TokioMultiThreadExecutor::new_owned_runtime(Some(2), None)
            .map(Arc::new)
            .map_err(|error| fault(&error))
    });

/// One table, as the kernel reads it.
pub(super) struct Kernel {
    engine: Arc<Engine>,
    root: String,
    table: String,
}

/// The columns of a checkpoint that a replay reads.
#[derive(Clone, Copy)]
pub(super) enum Replay {
    /// All state except the files.
    State,
    /// The live files.
    Files,
    /// The files removed recently, for as long as `delta.deletedFileRetentionDuration` says.
    Removed,
}

impl Replay {
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::State => &["protocol", "metaData", "txn"],
            Self::Files => &["add"],
            Self::Removed => &["remove"],
        }
    }
}

impl Kernel {
    pub(super) fn new(store: &TableStore, table: &TablePath) -> Result<Self, LogError> {
        let name = table.to_string();
        let executor = EXECUTOR.clone().map_err(|source| LogError::Kernel {
            table: name.clone(),
            doing: "opening",
            source,
        })?;
        let engine = DefaultEngineBuilder::new(Arc::clone(store.objects()))
            .with_task_executor(executor)
            .build();
        Ok(Self {
            engine: Arc::new(engine),
            // Only the path reaches our store, which is rooted at the lake. The host name is one of an S3 Express
            // bucket, which lists objects in no order. The engine then sorts the listing, as a local disk needs
            // (`supports_ordered_listing` in delta_kernel_default_engine/src/filesystem.rs).
            root: format!("s3://lake--x-s3/{name}/"),
            table: name,
        })
    }

    /// Replays the log up to `version`, or to its end. Returns the version and the actions in force at that version.
    pub(super) async fn replay(
        &self,
        version: Option<u64>,
        what: Replay,
    ) -> Result<(u64, Vec<LogLine>), LogError> {
        self.run("reading", move |engine, root| {
            let snapshot = snapshot(engine, root, version)?;
            let version = snapshot.version();
            Ok((version, replay(engine, snapshot, what)?))
        })
        .await
    }

    /// Writes a checkpoint of a version, and the `_last_checkpoint` file that points to the checkpoint.
    pub(super) async fn checkpoint(&self, version: u64) -> Result<(), LogError> {
        self.run("writing a checkpoint of", move |engine, root| {
            snapshot(engine, root, Some(version))?.checkpoint(engine, None)?;
            Ok(())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Engine, &str) -> Result<T, KernelError> + Send + 'static,
    ) -> Result<T, LogError> {
        let (engine, root) = (Arc::clone(&self.engine), self.root.clone());
        let done = tokio::task::spawn_blocking(move || work(&engine, &root)).await;
        let source = match done {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_about_protocol(&error) => {
                let table = self.table.clone();
                return Err(LogError::Protocol { table });
            }
            Ok(Err(error)) => fault(&error),
            Err(_) => StoreFault::labelled(FaultReason::Other, "panic"),
        };
        Err(LogError::Kernel {
            table: self.table.clone(),
            doing,
            source,
        })
    }
}

fn snapshot(engine: &Engine, root: &str, version: Option<u64>) -> Result<SnapshotRef, KernelError> {
    let builder = Snapshot::builder_for(root);
    match version {
        Some(version) => builder.at_version(version).build(engine),
        None => builder.build(engine),
    }
}

/// Reads the actions that a checkpoint of the snapshot would hold. The kernel has no other public way to read all
/// transactions in one pass.
fn replay(
    engine: &Engine,
    snapshot: SnapshotRef,
    what: Replay,
) -> Result<Vec<LogLine>, KernelError> {
    let mut lines = Vec::new();
    let writer = snapshot.create_checkpoint_writer(engine)?;
    for actions in writer.checkpoint_data(engine)? {
        let actions = actions?.apply_selection_vector()?;
        let actions = ArrowEngineData::try_from_engine_data(actions)?;
        let batch = actions.record_batch();
        let columns = what
            .columns()
            .iter()
            .map(|name| batch.schema_ref().index_of(name))
            .collect::<Result<Vec<_>, _>>()?;
        let mut json = Vec::new();
        let mut writer = LineDelimitedWriter::new(&mut json);
        writer.write(&batch.project(&columns)?)?;
        writer.finish()?;
        let read = from_json_lines(&json)
            .ok_or_else(|| KernelError::MissingData("an action's fields".to_owned()))?;
        lines.extend(read.into_iter().filter(|line| !line.is_empty()));
    }
    Ok(lines)
}

fn is_about_protocol(error: &KernelError) -> bool {
    match error {
        KernelError::Unsupported(_) | KernelError::InvalidProtocol(_) => true,
        KernelError::Backtraced { source, .. } => is_about_protocol(source),
        _ => false,
    }
}

/// Names a kernel error by its variant. The error's text may quote statistics, which hold row values.
fn fault(error: &KernelError) -> StoreFault {
    match error {
        KernelError::ObjectStore(error) => error.into(),
        KernelError::IOError(error) => error.into(),
        KernelError::Backtraced { source, .. } => fault(source),
        other => {
            let text = format!("{other:?}");
            let name = text.split(|c: char| !c.is_ascii_alphanumeric()).next();
            StoreFault::labelled(FaultReason::Other, name.unwrap_or_default())
        }
    }
}
