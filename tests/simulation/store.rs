//! The object store of the simulated world: objects in memory, with faults on the way to them.
//!
//! Each process has a way of its own to the same objects. What happens to a request follows from the seed, the object
//! and how often it was asked for, never from the order in which threads ask.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::sleep;

use crate::depot::Depot;
use crate::life::Alive;
use crate::mishap::Mishap;
use crate::upload::Uploading;

/// A future as `async_trait` returns it.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The way of one process to the objects. Clones count the same requests.
#[derive(Clone)]
pub(crate) struct Way {
    depot: Arc<Depot>,
    alive: Alive,
    mishap: Option<Mishap>,
    asked: Arc<AtomicU64>,
}

impl Way {
    /// Makes the way of a process.
    pub(crate) fn new(depot: &Arc<Depot>, alive: &Alive, mishap: Option<Mishap>) -> Self {
        Self {
            depot: Arc::clone(depot),
            alive: alive.clone(),
            mishap,
            asked: Arc::default(),
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
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let mishap = self.mishap.filter(|mishap| mishap.at == number);
        let (drawn, delay) = self.depot.fate(operation, path, creates);
        if is_home && !delay.is_zero() {
            sleep(delay).await;
            self.alive.or_never().await;
        }
        let Some(mischief) = mishap.map(|mishap| mishap.what).or(drawn) else {
            return work.await;
        };
        let done = if mischief.has_effect() {
            work.await.map(drop)
        } else {
            Ok(())
        };
        if mishap.is_some() {
            let text = format_args!("{mischief:?} at {operation} {path}");
            self.depot.story.tell("mishap", text);
        }
        if mischief.is_crash() {
            self.alive.end();
            // On another thread the home thread waits for this answer, so it must come.
            if is_home {
                self.alive.or_never().await;
            }
        }
        done?;
        Err(if creates && mischief.is_conflict() {
            exists(path)
        } else {
            failed()
        })
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
        let way = self.clone();
        let deleted = locations.and_then(move |path| {
            let way = way.clone();
            async move {
                let work = way
                    .depot
                    .objects
                    .delete_stream(stream::iter([Ok(path.clone())]).boxed());
                let work = async move { work.try_collect::<Vec<_>>().await };
                way.call("delete", &path, false, work).await?;
                way.depot.deleted(&path);
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
        let way = self.clone();
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
    text.contains("/_delta_log/")
        && text.rsplit('.').next() == Some("json")
        && !text.contains("/_delta_log/_")
}
