//! The object store of the simulated world: objects in memory, with faults on the way to them.
//!
//! Each process has a way of its own to the same objects. What happens to a request follows from the seed, the object
//! and how often it was asked for, never from the order in which threads ask.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};
use tokio::time::sleep;

use crate::clocks::Clocks;
use crate::dice::{Dice, mixed};
use crate::faults::{Enabled, Fault};
use crate::life::Alive;
use crate::observer::Observer;
use crate::story::Story;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The objects, and what is shared by all ways to them.
pub(crate) struct Depot {
    /// The objects themselves, without any fault.
    pub(crate) objects: InMemory,
    clocks: Clocks,
    story: Story,
    seed: u64,
    observer: Observer,
    state: Mutex<DepotNow>,
}

struct DepotNow {
    faults: Enabled,
    /// How often each object was asked for, by operation.
    asked: HashMap<(&'static str, Path), u64>,
    modified_ms: HashMap<Path, i64>,
    away_until_ms: i64,
    clock_ahead_ms: i64,
    operations: u64,
}

impl Depot {
    /// Makes an empty store.
    pub(crate) fn new(
        seed: u64,
        faults: &Enabled,
        clocks: Clocks,
        story: Story,
        observer: Observer,
    ) -> Arc<Self> {
        let mut dice = Dice::of(seed, "depot");
        let clock_ahead_ms = if faults.has(Fault::StoreClock) {
            i64::try_from(dice.number(0..1_200_000)).unwrap_or(0) - 600_000
        } else {
            0
        };
        Arc::new(Self {
            objects: InMemory::new(),
            clocks,
            story,
            seed,
            observer,
            state: Mutex::new(DepotNow {
                faults: faults.clone(),
                asked: HashMap::new(),
                modified_ms: HashMap::new(),
                away_until_ms: 0,
                clock_ahead_ms,
                operations: 0,
            }),
        })
    }

    /// Ends all faults of the store.
    pub(crate) fn calm(&self) {
        self.with(|now| {
            now.faults = Enabled::only(&[]).expect("none");
            now.away_until_ms = 0;
        });
    }

    /// Puts the store out of reach for a while.
    pub(crate) fn go_away(&self, time: Duration) {
        let until = self.clocks.true_now() + i64::try_from(time.as_millis()).unwrap_or(0);
        self.with(|now| now.away_until_ms = until);
    }

    fn with<T>(&self, work: impl FnOnce(&mut DepotNow) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stamp(&self, object: &mut ObjectMeta) {
        let at_ms = self.with(|now| now.modified_ms.get(&object.location).copied());
        if let Some(at) = at_ms.and_then(chrono::DateTime::from_timestamp_millis) {
            object.last_modified = at;
        }
    }

    /// Notes that an object was written, and shows it to the observer.
    fn written(&self, path: &Path) {
        let now_ms = self.clocks.true_now();
        self.with(|now| {
            now.modified_ms
                .insert(path.clone(), now_ms + now.clock_ahead_ms)
        });
        self.story.count("objects-written");
        self.observer.written(path, &self.objects);
    }
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Works,
    FailsBefore,
    FailsAfter,
    ConflictBefore,
    ConflictAfter,
}

/// The point at which a process ends: before or after its so manyth request to the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrashPoint {
    /// Counts the requests of the process from 0.
    pub(crate) at: u64,
    /// Whether the request still has its effect.
    pub(crate) is_after: bool,
}

/// The way of one process to the objects.
pub(crate) struct Way {
    depot: Arc<Depot>,
    alive: Alive,
    crash: Option<CrashPoint>,
    done: Mutex<u64>,
}

impl Way {
    /// Makes the way of a process.
    pub(crate) fn new(depot: &Arc<Depot>, alive: &Alive, crash: Option<CrashPoint>) -> Self {
        Self {
            depot: Arc::clone(depot),
            alive: alive.clone(),
            crash,
            done: Mutex::new(0),
        }
    }

    /// Runs a request, with whatever happens to it. `work` is not polled where the request has no effect.
    async fn call<T>(
        &self,
        operation: &'static str,
        path: &Path,
        creates: bool,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let is_home = self.depot.clocks.is_home();
        if is_home {
            self.alive.or_never().await;
        }
        let (fate, delay) = self.depot.fate(operation, path, creates);
        if is_home && !delay.is_zero() {
            sleep(delay).await;
            self.alive.or_never().await;
        }
        let crash = self.crash_now();
        if crash.is_some_and(|point| !point.is_after) {
            self.tell_crash(operation, path, "before");
            // On another thread the home thread waits for this answer, so it must come.
            if is_home {
                self.alive.or_never().await;
            }
            return Err(failed());
        }
        let done = match fate {
            Fate::FailsBefore => Err(failed()),
            Fate::ConflictBefore => Err(exists(path)),
            Fate::Works => work.await,
            Fate::FailsAfter => {
                drop(work.await);
                Err(failed())
            }
            Fate::ConflictAfter => {
                drop(work.await);
                Err(exists(path))
            }
        };
        if crash.is_some() {
            self.tell_crash(operation, path, "after");
            if is_home {
                self.alive.or_never().await;
            }
        }
        done
    }

    fn tell_crash(&self, operation: &str, path: &Path, when: &str) {
        self.alive.end();
        self.depot
            .story
            .tell("crash", format_args!("{when} {operation} {path}"));
    }

    fn crash_now(&self) -> Option<CrashPoint> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *done;
        *done += 1;
        self.crash.filter(|point| point.at == number)
    }
}

impl Depot {
    fn fate(&self, operation: &'static str, path: &Path, creates: bool) -> (Fate, Duration) {
        let now_ms = self.clocks.true_now();
        let (faults, number, is_away) = self.with(|now| {
            now.operations += 1;
            let number = now.asked.entry((operation, path.clone())).or_default();
            *number += 1;
            (now.faults.clone(), *number, now_ms < now.away_until_ms)
        });
        if is_away {
            self.story.count(Fault::StoreAway.label());
            return (Fate::FailsBefore, Duration::from_millis(50));
        }
        let mut dice = Dice::of(self.seed, ("store", operation, path.as_ref(), number));
        let mut happens = |fault: Fault, per_mille: u32| {
            let happens = faults.has(fault) && dice.per_mille(per_mille);
            if happens {
                self.story.count(fault.label());
            }
            happens
        };
        let delay = if happens(Fault::StoreSlow, 5) {
            Duration::from_millis(mixed(self.seed, (path.as_ref(), number)) % 200_000)
        } else {
            Duration::ZERO
        };
        let fate = if happens(Fault::StoreFails, 10) {
            Fate::FailsBefore
        } else if happens(Fault::StoreForgets, 10) {
            Fate::FailsAfter
        } else if creates && happens(Fault::StoreConflicts, 20) {
            if mixed(self.seed, (path.as_ref(), number)).is_multiple_of(2) {
                Fate::ConflictBefore
            } else {
                Fate::ConflictAfter
            }
        } else {
            Fate::Works
        };
        (fate, delay)
    }
}

fn failed() -> Error {
    Error::Generic {
        store: "simulated",
        source: "simulated".into(),
    }
}

fn exists(path: &Path) -> Error {
    Error::AlreadyExists {
        path: path.to_string(),
        source: "simulated".into(),
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated store")
    }
}

// The trait uses `async_trait`. These signatures are the expanded form of its methods.
impl ObjectStore for Way {
    fn put_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Boxed<'a, PutResult>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        let creates = matches!(options.mode, PutMode::Create);
        if !creates && is_log_entry(location) {
            self.depot.story.violated(
                "log",
                format_args!("{location} is put without the condition that it is new"),
            );
        }
        let work = async move {
            let put = self
                .depot
                .objects
                .put_opts(location, payload, options)
                .await?;
            self.depot.written(location);
            Ok(put)
        };
        self.call("put", location, creates, work).boxed()
    }

    fn put_multipart_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        options: PutMultipartOptions,
    ) -> Boxed<'a, Box<dyn MultipartUpload>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        let work = async move {
            let upload = self
                .depot
                .objects
                .put_multipart_opts(location, options)
                .await?;
            let upload = Uploading {
                upload,
                depot: Arc::clone(&self.depot),
                path: location.clone(),
            };
            Ok(Box::new(upload) as Box<dyn MultipartUpload>)
        };
        self.call("upload", location, false, work).boxed()
    }

    fn get_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        options: GetOptions,
    ) -> Boxed<'a, GetResult>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        let work = async move {
            let mut found = self.depot.objects.get_opts(location, options).await?;
            self.depot.stamp(&mut found.meta);
            Ok(found)
        };
        self.call("get", location, false, work).boxed()
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let way = Self::new(&self.depot, &self.alive, None);
        let deleted = locations.and_then(move |path| {
            let way = Self::new(&way.depot, &way.alive, None);
            async move {
                let work = way
                    .depot
                    .objects
                    .delete_stream(stream::iter([Ok(path.clone())]).boxed());
                let work = async move { work.try_collect::<Vec<_>>().await };
                way.call("delete", &path, false, work).await?;
                way.depot.story.count("objects-deleted");
                Ok(path)
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, Some(offset))
    }

    fn list_with_delimiter<'s, 'p, 'a>(&'s self, prefix: Option<&'p Path>) -> Boxed<'a, ListResult>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        async move {
            let work = async move {
                let mut found = self.depot.objects.list_with_delimiter(prefix).await?;
                found
                    .objects
                    .iter_mut()
                    .for_each(|object| self.depot.stamp(object));
                Ok(found)
            };
            self.call("list", prefix.unwrap_or(&Path::default()), false, work)
                .await
        }
        .boxed()
    }

    fn copy_opts<'s, 'f, 't, 'a>(
        &'s self,
        from: &'f Path,
        to: &'t Path,
        options: CopyOptions,
    ) -> Boxed<'a, ()>
    where
        's: 'a,
        'f: 'a,
        't: 'a,
        Self: 'a,
    {
        let work = async move {
            self.depot.objects.copy_opts(from, to, options).await?;
            self.depot.written(to);
            Ok(())
        };
        self.call("copy", to, false, work).boxed()
    }
}

impl Way {
    fn listed(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let found = match offset {
            Some(offset) => self.depot.objects.list_with_offset(prefix, offset),
            None => self.depot.objects.list(prefix),
        };
        let way = Self::new(&self.depot, &self.alive, None);
        let prefix = prefix.cloned().unwrap_or_default();
        let listed = async move {
            let answer = way.call("list", &prefix, false, async { Ok(()) }).await;
            let depot = Arc::clone(&way.depot);
            match answer {
                Ok(()) => found
                    .map_ok(move |mut object| {
                        depot.stamp(&mut object);
                        object
                    })
                    .boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        };
        listed.into_stream().flatten().boxed()
    }
}

/// Returns whether a key is that of an entry of a Delta log.
pub(crate) fn is_log_entry(path: &Path) -> bool {
    let text = path.as_ref();
    text.contains("/_delta_log/") && text.ends_with(".json") && !text.contains("/_delta_log/_")
}

/// An upload in parts, which becomes an object with its last step.
#[derive(Debug)]
struct Uploading {
    upload: Box<dyn MultipartUpload>,
    depot: Arc<Depot>,
    path: Path,
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Depot")
    }
}

impl MultipartUpload for Uploading {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    fn complete<'s, 'a>(&'s mut self) -> Boxed<'a, PutResult>
    where
        's: 'a,
        Self: 'a,
    {
        async move {
            let put = self.upload.complete().await?;
            self.depot.written(&self.path);
            Ok(put)
        }
        .boxed()
    }

    fn abort<'s, 'a>(&'s mut self) -> Boxed<'a, ()>
    where
        's: 'a,
        Self: 'a,
    {
        self.upload.abort()
    }
}
