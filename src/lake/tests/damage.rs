//! Damages a lake as a broken disk or a careless operator would.

use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::delta::store::TableStore;

/// Lists the objects below a folder with `text` in their name, in order.
pub(super) async fn found(store: &TableStore, folder: &str, text: &str) -> Vec<Path> {
    let listed = store.objects().list(Some(&folder.into()));
    let listed: Vec<_> = listed.try_collect().await.expect("listed");
    let mut paths: Vec<Path> = listed.into_iter().map(|found| found.location).collect();
    paths.retain(|path| path.as_ref().contains(text));
    paths.sort();
    paths
}

/// Cuts the newest entry of a table's log in half, and returns its path.
pub(super) async fn truncate_newest_entry(store: &TableStore, table: &str) -> String {
    let entries = found(store, &format!("{table}/_delta_log"), ".json").await;
    let newest = entries.last().expect("entries");
    let bytes = bytes(store, newest).await;
    let half = bytes.slice(..bytes.len() / 2);
    store.objects().put(newest, half.into()).await.expect("put");
    newest.to_string()
}

/// Deletes the only data file of a table with `text` in its path. Returns the path.
pub(super) async fn delete_file(store: &TableStore, table: &str, text: &str) -> String {
    let path = only_file(store, table, text).await;
    store.objects().delete(&path).await.expect("deleted");
    path.to_string()
}

/// Overwrites the middle of the only data file of a table with `text` in its path, and keeps its footer. Returns the
/// path.
pub(super) async fn garble_file(store: &TableStore, table: &str, text: &str) -> String {
    let path = only_file(store, table, text).await;
    let mut bytes = bytes(store, &path).await.to_vec();
    let (from, until) = (4, bytes.len() / 3);
    bytes[from..until].fill(0xaa);
    store.objects().put(&path, bytes.into()).await.expect("put");
    path.to_string()
}

async fn only_file(store: &TableStore, table: &str, text: &str) -> Path {
    let mut files = found(store, table, text).await;
    files.retain(|path| path.extension() == Some("parquet"));
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

async fn bytes(store: &TableStore, path: &Path) -> bytes::Bytes {
    let found = store.objects().get(path).await.expect("there");
    found.bytes().await.expect("bytes")
}
