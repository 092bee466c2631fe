//! A store that fails where a test says: before the work, or after the work with the answer lost.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The call does nothing and fails.
    Before,
    /// The call does the work, and the answer is lost.
    After,
    /// The call does nothing, and a put gets the answer that the object exists. On S3, two creates at once may both
    /// get a 409.
    ConflictBefore,
    /// The call does the work, and a put gets the answer that the object exists: the client sent the put twice.
    ConflictAfter,
    /// A put does nothing and answers with success. Other calls work.
    Swallowed,
}

impl Failure {
    pub(crate) const ALL: [Self; 5] = [
        Self::Swallowed,
        Self::Before,
        Self::After,
        Self::ConflictBefore,
        Self::ConflictAfter,
    ];

    fn works(self) -> bool {
        matches!(self, Self::After | Self::ConflictAfter)
    }

    fn error(self, path: &Path) -> Error {
        let source = "injected".into();
        if matches!(self, Self::ConflictBefore | Self::ConflictAfter) {
            let path = path.to_string();
            return Error::AlreadyExists { path, source };
        }
        Error::Generic {
            store: "FaultyStore",
            source,
        }
    }
}

/// How much is subtracted from the timestamps of objects. Shared by stores over the same objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ages(Arc<Mutex<AgesNow>>);

#[derive(Debug, Default)]
struct AgesNow {
    put: HashMap<Path, Duration>,
    next: Duration,
}

impl Ages {
    /// Returns ages for a store with a clock that is behind by `next`.
    pub(crate) fn behind(next: Duration) -> Self {
        let put = HashMap::new();
        Self(Arc::new(Mutex::new(AgesNow { put, next })))
    }

    /// Lets time pass since these objects were put. Objects that have an age already keep their age.
    pub(crate) fn pass(&self, time: Duration, objects: Vec<Path>) {
        let mut now = self.0.lock().expect("no panic under the lock");
        let next = now.next;
        for path in objects {
            now.put.entry(path).or_insert(next);
        }
        now.next = next.saturating_sub(time);
    }

    fn stamp(&self, object: &mut ObjectMeta) {
        let now = self.0.lock().expect("no panic under the lock");
        object.last_modified -= *now.put.get(&object.location).unwrap_or(&now.next);
    }
}

/// Passes calls on to another store, except for the calls that it fails.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    calls: AtomicUsize,
    bytes_read: AtomicU64,
    failing: std::ops::Range<usize>,
    failure: Failure,
    overwrites: bool,
    ages: Ages,
    away: AtomicBool,
}

/// Returns a store that accepts every put, like a store without put-if-absent.
pub(crate) fn overwriting(inner: &Arc<dyn ObjectStore>) -> Arc<FaultyStore> {
    Arc::new(FaultyStore {
        overwrites: true,
        ..FaultyStore::over(Arc::clone(inner))
    })
}

impl FaultyStore {
    fn over(inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            inner,
            calls: AtomicUsize::new(0),
            bytes_read: AtomicU64::new(0),
            failing: 0..0,
            failure: Failure::Before,
            overwrites: false,
            ages: Ages::default(),
            away: AtomicBool::new(false),
        }
    }

    /// Fails the calls with numbers in the range. The first call is number 0.
    pub(crate) fn new(
        inner: Arc<dyn ObjectStore>,
        failing: std::ops::Range<usize>,
        failure: Failure,
    ) -> Arc<Self> {
        Self::over(inner).failing(failing, failure)
    }

    /// Fails no call until told to, and lists objects with the given ages.
    pub(crate) fn aged(inner: &Arc<dyn ObjectStore>, ages: &Ages) -> Self {
        Self {
            ages: ages.clone(),
            ..Self::over(Arc::clone(inner))
        }
    }

    /// Fails the calls with numbers in the range. The first call is number 0.
    pub(crate) fn failing(self, failing: std::ops::Range<usize>, failure: Failure) -> Arc<Self> {
        Arc::new(Self {
            failing,
            failure,
            ..self
        })
    }

    /// Fails every call while `away` is set.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Returns how many bytes of objects were read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::SeqCst)
    }

    /// Returns the number of calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn fault(&self) -> Option<Failure> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let away = self.away.load(Ordering::SeqCst);
        (away || self.failing.contains(&call)).then_some(self.failure)
    }

    /// A conflict is an answer to a put only. Other calls fail plainly.
    fn plain_fault(&self) -> Option<Failure> {
        self.fault().and_then(|failure| match failure {
            Failure::Before | Failure::ConflictBefore => Some(Failure::Before),
            Failure::After | Failure::ConflictAfter => Some(Failure::After),
            Failure::Swallowed => None,
        })
    }

    async fn call<T>(
        fault: Option<Failure>,
        path: &Path,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match fault {
            None => work.await,
            Some(failure) => {
                if failure.works() {
                    drop(work.await);
                }
                Err(failure.error(path))
            }
        }
    }

    fn listed(
        &self,
        found: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let ages = self.ages.clone();
        let stamped = move |mut object: ObjectMeta| {
            ages.stamp(&mut object);
            object
        };
        match self.plain_fault() {
            None => found.map(move |object| object.map(&stamped)).boxed(),
            Some(failure) => stream::iter([Err(failure.error(&Path::default()))]).boxed(),
        }
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

// The trait uses `async_trait`. These signatures are the expanded form of its methods.
impl ObjectStore for FaultyStore {
    fn put_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Boxed<'a, PutResult>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        if self.overwrites {
            options.mode = PutMode::Overwrite;
        }
        let fault = self.fault();
        if fault == Some(Failure::Swallowed) {
            let accepted = PutResult {
                e_tag: None,
                version: None,
                extensions: object_store::Extensions::default(),
            };
            return std::future::ready(Ok(accepted)).boxed();
        }
        let work = self.inner.put_opts(location, payload, options);
        Self::call(fault, location, work).boxed()
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
        let work = self.inner.put_multipart_opts(location, options);
        Self::call(self.plain_fault(), location, work).boxed()
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
        let work = self.inner.get_opts(location, options);
        let aged = async move {
            let mut found = work.await?;
            self.ages.stamp(&mut found.meta);
            let bytes = found.range.end - found.range.start;
            self.bytes_read.fetch_add(bytes, Ordering::SeqCst);
            Ok(found)
        };
        Self::call(self.plain_fault(), location, aged).boxed()
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.plain_fault() {
            None => self.inner.delete_stream(locations),
            Some(failure) => {
                let deleted = failure.works().then(|| self.inner.delete_stream(locations));
                let failed = stream::iter([Err(failure.error(&Path::default()))]);
                match deleted {
                    Some(deleted) => deleted.filter(|_| async { false }).chain(failed).boxed(),
                    None => failed.boxed(),
                }
            }
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(self.inner.list_with_offset(prefix, offset))
    }

    fn list_with_delimiter<'s, 'p, 'a>(&'s self, prefix: Option<&'p Path>) -> Boxed<'a, ListResult>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        let work = self.inner.list_with_delimiter(prefix);
        async move { Self::call(self.plain_fault(), &Path::default(), work).await }.boxed()
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
        let work = self.inner.copy_opts(from, to, options);
        Self::call(self.plain_fault(), to, work).boxed()
    }
}
