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
    CopyOptions, Error, Extensions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::delta::object_key::{ObjectKey, TablePath};

/// A store that shows some objects of one log, and not its `_last_checkpoint`: another process may replace that object
/// between the choice of the others and the kernel's read.
#[derive(Debug)]
pub(super) struct LogView {
    objects: Arc<dyn ObjectStore>,
    /// The objects that are listed, by name.
    shown: Vec<ObjectMeta>,
    /// The log's `_last_checkpoint`, which is said not to exist.
    hint: Path,
    on_hint: OnHint,
}

/// What a view does when the kernel writes `_last_checkpoint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnHint {
    /// The object is written.
    Write,
    /// The object in the store stays, because it names a newer checkpoint.
    Keep,
}

impl LogView {
    pub(super) fn new(
        objects: &Arc<dyn ObjectStore>,
        mut shown: Vec<ObjectMeta>,
        table: &TablePath,
        on_hint: OnHint,
    ) -> Arc<Self> {
        shown.sort_by(|a, b| a.location.cmp(&b.location));
        Arc::new(Self {
            objects: Arc::clone(objects),
            shown,
            hint: ObjectKey::LastCheckpoint(table).path(),
            on_hint,
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
        if self.on_hint == OnHint::Keep && self.hint == *location {
            let (e_tag, version) = (None, None);
            let extensions = Extensions::default();
            return async move {
                Ok(PutResult {
                    e_tag,
                    version,
                    extensions,
                })
            }
            .boxed();
        }
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
        if self.hint == *location {
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

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_hint_of_another_process_is_not_shown_and_a_newer_one_stays() {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let table = TablePath::new("ats_tags/deltas");
        let hint = ObjectKey::LastCheckpoint(&table).path();
        let put = async |store: &dyn ObjectStore, text: &'static str| {
            store.put(&hint, text.into()).await.expect("put");
        };
        put(&objects, "of another process").await;
        for (on_hint, left) in [
            (OnHint::Keep, "of another process"),
            (OnHint::Write, "of the kernel"),
        ] {
            let view = LogView::new(&objects, Vec::new(), &table, on_hint);
            let shown = view.get(&hint).await;
            assert!(matches!(shown, Err(Error::NotFound { .. })), "{on_hint:?}");
            put(&*view, "of the kernel").await;
            let found = objects.get(&hint).await.expect("there").bytes().await;
            assert_eq!(found.expect("bytes"), left, "{on_hint:?}");
        }
    }
}
