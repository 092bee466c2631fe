//! The Delta kernel library: reads and writes checkpoints.
//!
//! The kernel sees a [`LogView`](crate::delta::log::view::LogView): the checkpoint that this crate has chosen, and entries that it has checked. Calls of
//! the kernel block, so they run on a blocking thread. The kernel's own I/O runs on a separate runtime: the executor
//! that can write checkpoints needs a multi-threaded runtime, and the caller's runtime may have one thread.

use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use delta_kernel::arrow::array::{Array, AsArray, RecordBatch};
use delta_kernel::arrow::compute::{filter_record_batch, is_not_null};
use delta_kernel::arrow::datatypes::Int64Type;
use delta_kernel::arrow::json::LineDelimitedWriter;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{KernelError, Snapshot};
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::{DefaultEngine, DefaultEngineBuilder};
use object_store::ObjectStore;
use tokio::sync::Semaphore;
use tracing::subscriber::{NoSubscriber, with_default};

use crate::cpu::{CpuWork, Stopped, from_apart, is_all_here};
use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::log::action::from_json_lines;
use crate::delta::log::replay::{InForce, Replay};
use crate::delta::object_key::TablePath;

type Engine = DefaultEngine<TokioMultiThreadExecutor>;

/// Lives as long as the process, because a runtime must not be dropped inside another runtime.
static EXECUTOR: LazyLock<Result<Arc<TokioMultiThreadExecutor>, KernelFailure>> =
    LazyLock::new(|| new_executor(2));

/// How many calls of the kernel run at a time. While a checkpoint of ten thousand files is read, it takes tens of
/// megabytes, and a start opens many tables at once.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Why the kernel did not do its work. Holds no text of the kernel: it may quote statistics, which hold row values.
#[derive(Clone, Debug)]
pub(super) enum KernelFailure {
    /// The table requires a newer protocol.
    Protocol,
    /// The store failed.
    Store(StoreFault),
    /// Anything else, such as content that cannot be read. Holds the kernel's name for it.
    Other(String),
}

impl KernelFailure {
    /// Returns the failure as one of the store, for an error.
    pub(super) fn fault(self) -> StoreFault {
        match self {
            Self::Store(fault) => fault,
            Self::Protocol => StoreFault::labelled(FaultReason::Other, "Protocol"),
            Self::Other(name) => StoreFault::labelled(FaultReason::Other, &name),
        }
    }
}

/// Reads the actions in force at a checkpoint. The view shows the checkpoint at `version` and nothing else.
pub(super) async fn read_checkpoint(
    view: Arc<dyn ObjectStore>,
    table: &TablePath,
    version: u64,
    what: Replay,
) -> Result<InForce, KernelFailure> {
    run(view, table, move |engine, root| {
        let snapshot = Snapshot::builder_for(root).at_version(version);
        replay(engine, snapshot.build(engine)?, what)
    })
    .await
}

/// Writes a checkpoint of a version, and the `_last_checkpoint` file that points to the checkpoint. The view shows an
/// earlier checkpoint, if there is one, and each entry after it up to `version`.
pub(super) async fn write_checkpoint(
    view: Arc<dyn ObjectStore>,
    table: &TablePath,
    version: u64,
) -> Result<(), KernelFailure> {
    run(view, table, move |engine, root| {
        let snapshot = Snapshot::builder_for(root).at_version(version);
        snapshot.build(engine)?.checkpoint(engine, None)?;
        Ok(())
    })
    .await
}

async fn run<T: Send + 'static>(
    objects: Arc<dyn ObjectStore>,
    table: &TablePath,
    work: impl FnOnce(&Engine, &str) -> Result<T, KernelError> + Send + 'static,
) -> Result<T, KernelFailure> {
    let engine = DefaultEngineBuilder::new(objects)
        .with_task_executor(executor()?)
        .build();
    // Only the path reaches our store, which is rooted at the lake. The host name is one of an S3 Express bucket, which
    // lists objects in no order. The engine then sorts the listing, as a local disk needs (`supports_ordered_listing`
    // in delta_kernel_default_engine/src/filesystem.rs).
    let root = format!("s3://lake--x-s3/{table}/");
    // The semaphore is never closed. A simulator runs many programs in one process, and none may wait for another one.
    let _turn = if is_all_here() {
        None
    } else {
        Some(TURNS.acquire().await)
    };
    // The kernel logs its errors with their content and a stack trace.
    let quiet = move || with_default(NoSubscriber::new(), || work(&engine, &root));
    // A panic of the kernel is caught by its thread, and says nothing about this crate.
    let caught = move || catch_unwind(AssertUnwindSafe(quiet));
    match from_apart(CpuWork::apart(caught)).await {
        Ok(Ok(done)) => done.map_err(|error| failure(&error)),
        Ok(Err(_)) => Err(KernelFailure::Other("panic".to_owned())),
        Err(Stopped) => Err(KernelFailure::Other("stopped".to_owned())),
    }
}

/// Returns the executor of the process. In a simulator each call has its own: what threads remember of earlier calls, such as
/// the keys of hash maps, would change the order of what the kernel writes.
fn executor() -> Result<Arc<TokioMultiThreadExecutor>, KernelFailure> {
    if is_all_here() {
        new_executor(1)
    } else {
        EXECUTOR.clone()
    }
}

fn new_executor(threads: usize) -> Result<Arc<TokioMultiThreadExecutor>, KernelFailure> {
    TokioMultiThreadExecutor::new_owned_runtime(Some(threads), None)
        .map(Arc::new)
        .map_err(|error| failure(&error))
}

/// Reads the actions that a checkpoint of the snapshot would hold. The kernel has no other public way to read all
/// transactions in one pass.
fn replay(engine: &Engine, snapshot: SnapshotRef, what: Replay) -> Result<InForce, KernelError> {
    let mut in_force = InForce::default();
    let writer = snapshot.create_checkpoint_writer(engine)?;
    for actions in writer.checkpoint_data(engine)? {
        let actions = actions?.apply_selection_vector()?;
        let actions = ArrowEngineData::try_from_engine_data(actions)?;
        for column in what.columns() {
            let index = actions.record_batch().schema_ref().index_of(column)?;
            let rows = actions.record_batch().project(&[index])?;
            match *column {
                "txn" => take_txns(&rows, &mut in_force)?,
                _ => take_lines(&rows, &mut in_force, what)?,
            }
        }
    }
    Ok(in_force)
}

/// Takes the transactions of a column `txn`. A table may have a million, so they are read without a text in between.
fn take_txns(rows: &RecordBatch, in_force: &mut InForce) -> Result<(), KernelError> {
    let missing = || KernelError::MissingData("a transaction's fields".to_owned());
    let txns = rows.column(0).as_struct_opt().ok_or_else(missing)?;
    let field = |name| txns.column_by_name(name);
    let apps = field("appId").and_then(|apps| apps.as_string_opt::<i32>());
    let versions = field("version").and_then(|versions| versions.as_primitive_opt::<Int64Type>());
    let (apps, versions) = apps.zip(versions).ok_or_else(missing)?;
    for row in (0..txns.len()).filter(|row| txns.is_valid(*row)) {
        if apps.is_null(row) || versions.is_null(row) {
            return Err(missing());
        }
        in_force.txns.set(apps.value(row), versions.value(row));
    }
    Ok(())
}

/// Takes the actions of a column as lines of a log entry.
fn take_lines(rows: &RecordBatch, in_force: &mut InForce, what: Replay) -> Result<(), KernelError> {
    let is_there = is_not_null(rows.column(0))?;
    let rows = filter_record_batch(rows, &is_there)?;
    let mut json = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut json);
    writer.write(&rows)?;
    writer.finish()?;
    let read = from_json_lines(&json)
        .ok_or_else(|| KernelError::MissingData("an action's fields".to_owned()))?;
    for line in read {
        in_force.apply(line, what);
    }
    Ok(())
}

fn failure(error: &KernelError) -> KernelFailure {
    match error {
        KernelError::Unsupported(_) | KernelError::InvalidProtocol(_) => KernelFailure::Protocol,
        KernelError::IOError(error) => KernelFailure::Store(error.into()),
        KernelError::Backtraced { source, .. } => failure(source),
        other => of_store(other).map_or_else(
            || KernelFailure::Other(name_of(other)),
            KernelFailure::Store,
        ),
    }
}

/// Returns the store's error among the causes of an error. The Parquet reader wraps it.
fn of_store(error: &KernelError) -> Option<StoreFault> {
    if let KernelError::ObjectStore(error) = error {
        return Some(error.into());
    }
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<object_store::Error>() {
            return Some(error.into());
        }
        next = cause.source();
    }
    None
}

/// Returns the name of an error's variant.
fn name_of(error: &KernelError) -> String {
    let text = format!("{error:?}");
    let name = text.split(|c: char| !c.is_ascii_alphanumeric()).next();
    name.unwrap_or_default().to_owned()
}
