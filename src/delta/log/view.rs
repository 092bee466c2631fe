//! A part of a log, as the Delta kernel shall see it.
//!
//! The kernel takes every hint, checkpoint and checksum in a log's folder at its word. One that is damaged or leads
//! nowhere makes it fail, although the entries say everything. So the kernel gets a view that lists only objects that
//! this crate has chosen. All other calls reach the store.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// A store that shows some objects of one log, and may hide its `_last_checkpoint`.
#[derive(Debug)]
pub(super) struct LogView {
    objects: Arc<dyn ObjectStore>,
    /// The objects that are listed, by name.
    shown: Vec<ObjectMeta>,
    /// The object that is said not to exist.
    hidden: Option<Path>,
}

impl LogView {
    pub(super) fn new(
        objects: &Arc<dyn ObjectStore>,
        mut shown: Vec<ObjectMeta>,
        hidden: Option<Path>,
    ) -> Arc<Self> {
        shown.sort_by(|a, b| a.location.cmp(&b.location));
        Arc::new(Self {
            objects: Arc::clone(objects),
            shown,
            hidden,
        })
    }

    fn listed(
        &self,
        is_asked_for: impl Fn(&Path) -> bool,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let asked = self
            .shown
            .iter()
            .filter(|object| is_asked_for(&object.location));
        let asked: Vec<_> = asked.cloned().map(Ok).collect();
        stream::iter(asked).boxed()
    }
}

impl fmt::Display for LogView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogView")
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

// The trait uses `async_trait`. These signatures are the expanded form of its methods.
impl ObjectStore for LogView {
    fn put_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Answer<'a, PutResult>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        self.objects.put_opts(location, payload, options)
    }

    fn put_multipart_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        options: PutMultipartOptions,
    ) -> Answer<'a, Box<dyn MultipartUpload>>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        self.objects.put_multipart_opts(location, options)
    }

    fn get_opts<'s, 'p, 'a>(
        &'s self,
        location: &'p Path,
        options: GetOptions,
    ) -> Answer<'a, GetResult>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        if self.hidden.as_ref() == Some(location) {
            let path = location.to_string();
            let source = "hidden".into();
            return async move { Err(Error::NotFound { path, source }) }.boxed();
        }
        self.objects.get_opts(location, options)
    }

    fn get_ranges<'s, 'p, 'r, 'a>(
        &'s self,
        location: &'p Path,
        ranges: &'r [Range<u64>],
    ) -> Answer<'a, Vec<Bytes>>
    where
        's: 'a,
        'p: 'a,
        'r: 'a,
        Self: 'a,
    {
        self.objects.get_ranges(location, ranges)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(|location| prefix.is_none_or(|prefix| location.prefix_matches(prefix)))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(|location| {
            location > offset && prefix.is_none_or(|prefix| location.prefix_matches(prefix))
        })
    }

    fn list_with_delimiter<'s, 'p, 'a>(&'s self, prefix: Option<&'p Path>) -> Answer<'a, ListResult>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        self.objects.list_with_delimiter(prefix)
    }

    fn copy_opts<'s, 'f, 't, 'a>(
        &'s self,
        from: &'f Path,
        to: &'t Path,
        options: CopyOptions,
    ) -> Answer<'a, ()>
    where
        's: 'a,
        'f: 'a,
        't: 'a,
        Self: 'a,
    {
        self.objects.copy_opts(from, to, options)
    }
}
