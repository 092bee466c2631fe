//! A lake on the local disk: who may read it, what is followed, and what is left behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path as FilePath;

use futures_util::TryStreamExt;
use object_store::WriteMultipart;

use super::*;

fn opened(folder: &FilePath) -> TableStore {
    let location = folder.to_str().expect("unicode");
    TableStore::open(location, &BTreeMap::new()).expect("opened")
}

fn mode(path: impl AsRef<FilePath>) -> u32 {
    let found = fs::metadata(path).expect("there");
    found.permissions().mode() & 0o7777
}

fn set_mode(path: &FilePath, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
}

/// Puts a file in each way there is: plainly, only if absent, and in parts.
async fn put_three(store: &TableStore) {
    let objects = store.objects();
    let put = objects.put(&Path::from("t/plain"), "x".into()).await;
    put.expect("put");
    let entry = Path::from("t/_delta_log/0.json");
    let created = store.create(&entry, "{}".into()).await;
    created.expect("created");
    let upload = objects.put_multipart(&Path::from("t/a=b/parts")).await;
    let mut parts = WriteMultipart::new_with_chunk_size(upload.expect("begun"), 4);
    parts.write(b"in parts of four");
    parts.finish().await.expect("finished");
    let read = store.read(&Path::from("t/a=b/parts")).await;
    assert_eq!(read.expect("read"), "in parts of four");
}

async fn listed(store: &TableStore, prefix: Option<&str>) -> Result<Vec<String>, StoreFault> {
    let prefix = prefix.map(Path::from);
    let found = store.objects().list(prefix.as_ref());
    let found: Vec<_> = found.try_collect().await?;
    let mut names: Vec<_> = found.iter().map(|one| one.location.to_string()).collect();
    names.sort();
    Ok(names)
}

#[tokio::test]
async fn a_lake_that_is_made_here_is_readable_by_its_owner_only() {
    let base = tempfile::tempdir().expect("a folder");
    let lake = base.path().join("above").join("lake");
    put_three(&opened(&lake)).await;
    for folder in ["..", "", "t", "t/_delta_log", "t/a=b"] {
        assert_eq!(mode(lake.join(folder)), 0o700, "{folder}");
    }
    for file in ["t/plain", "t/_delta_log/0.json", "t/a=b/parts"] {
        assert_eq!(mode(lake.join(file)), 0o600, "{file}");
    }
    // The second process that opens the lake follows the first.
    let again = opened(&lake);
    let put = again
        .objects()
        .put(&Path::from("u/plain"), "x".into())
        .await;
    put.expect("put");
    assert_eq!(
        (mode(lake.join("u")), mode(lake.join("u/plain"))),
        (0o700, 0o600)
    );
}

#[tokio::test]
async fn what_is_new_in_an_existing_lake_has_the_rights_of_its_folder() {
    let base = tempfile::tempdir().expect("a folder");
    // What the folder's owner lets others do, and what they get on a new folder and on a new file.
    for (own, folder, file) in [
        (0o700, 0o700, 0o600),
        (0o750, 0o750, 0o640),
        (0o2750, 0o2750, 0o640),
        (0o755, 0o755, 0o644),
        (0o777, 0o755, 0o644),
    ] {
        let lake = base.path().join(format!("{own:o}"));
        fs::create_dir(&lake).expect("created");
        set_mode(&lake, own);
        put_three(&opened(&lake)).await;
        assert_eq!(mode(&lake), own, "the folder itself stays as it is");
        assert_eq!(mode(lake.join("t/a=b")), folder, "{own:o}");
        assert_eq!(mode(lake.join("t/plain")), file, "{own:o}");
    }
}

#[tokio::test]
async fn nothing_below_the_lakes_folder_is_followed() {
    let base = tempfile::tempdir().expect("a folder");
    let (real, lake) = (base.path().join("real"), base.path().join("lake"));
    let outside = base.path().join("outside");
    fs::create_dir_all(outside.join("t")).expect("created");
    fs::write(outside.join("t/theirs.parquet"), "theirs").expect("written");
    fs::create_dir(&real).expect("created");
    symlink(&real, &lake).expect("linked");
    let store = opened(&lake);
    put_three(&store).await;
    symlink(outside.join("t"), real.join("t/linked")).expect("linked");
    symlink(
        outside.join("t/theirs.parquet"),
        real.join("t/file.parquet"),
    )
    .expect("linked");
    symlink(outside.join("t/new"), real.join("t/dangling")).expect("linked");

    let ours = ["t/_delta_log/0.json", "t/a=b/parts", "t/plain"];
    assert_eq!(listed(&store, None).await.expect("listed"), ours);
    let links = store.links(&Path::from("t")).await.expect("listed");
    let mut links: Vec<_> = links.iter().map(Path::as_ref).collect();
    links.sort_unstable();
    assert_eq!(links, ["t/dangling", "t/file.parquet", "t/linked"]);
    let table = Path::from("t");
    let level = store.objects().list_with_delimiter(Some(&table));
    let level = level.await.expect("listed");
    let folders: Vec<_> = level.common_prefixes.iter().map(Path::as_ref).collect();
    let mut expected = vec!["t/_delta_log", "t/a=b"];
    expected.extend(links.iter().copied());
    assert_eq!((level.objects.len(), folders), (1, expected));

    let refused = |fault: StoreFault| {
        assert_eq!(fault.reason(), FaultReason::NotFollowed, "{fault}");
        assert!(!fault.is_retryable());
    };
    for key in ["t/linked/theirs.parquet", "t/file.parquet", "t/dangling"] {
        let key = Path::from(key);
        refused(store.read(&key).await.expect_err("refused"));
        refused(store.delete(&key).await.expect_err("refused"));
        refused(store.create(&key, "x".into()).await.expect_err("refused"));
        let put = store.objects().put(&key, "x".into()).await;
        refused(put.expect_err("refused").into());
        let ranges = store.objects().get_ranges(&key, &[0..1, 2..3]).await;
        refused(ranges.expect_err("refused").into());
        let upload = store.objects().put_multipart(&key).await;
        refused(upload.map(drop).expect_err("refused").into());
    }
    refused(listed(&store, Some("t/linked")).await.expect_err("refused"));
    let theirs = fs::read_to_string(outside.join("t/theirs.parquet"));
    assert_eq!(theirs.expect("there"), "theirs");
    assert_eq!(fs::read_dir(outside.join("t")).expect("there").count(), 1);
}

#[tokio::test]
async fn a_link_in_a_log_is_an_error_and_no_missing_entry() {
    let base = tempfile::tempdir().expect("a folder");
    let store = opened(base.path());
    put_three(&store).await;
    let log = base.path().join("t/_delta_log");
    symlink(log.join("0.json"), log.join("1.json")).expect("linked");
    for prefix in [None, Some("t"), Some("t/_delta_log")] {
        let fault = listed(&store, prefix).await.expect_err("a link");
        assert_eq!(fault.reason(), FaultReason::NotFollowed);
    }
}

#[tokio::test]
async fn an_upload_that_ends_early_leaves_no_file() {
    let base = tempfile::tempdir().expect("a folder");
    let store = opened(base.path());
    put_three(&store).await;
    let key = Path::from("t/a=b/never");
    let mut upload = store.objects().put_multipart(&key).await.expect("begun");
    upload.put_part("x".into()).await.expect("put");
    upload.abort().await.expect("aborted");
    assert!(upload.complete().await.is_err());
    drop(store.objects().put_multipart(&key).await.expect("begun"));
    let entry = Path::from("t/_delta_log/0.json");
    assert!(store.create(&entry, "{}".into()).await.is_err());
    let mut left = Vec::new();
    for folder in ["t", "t/_delta_log", "t/a=b"] {
        let entries = fs::read_dir(base.path().join(folder)).expect("there");
        let names = entries.map(|one| one.expect("read").file_name().into_string().expect("text"));
        left.extend(names.filter(|name| name.contains('#')));
    }
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_lake_that_is_only_looked_at_is_not_made() {
    let base = tempfile::tempdir().expect("a folder");
    let missing = base.path().join("a").join("lake");
    let location = missing.to_str().expect("unicode");
    let opened = TableStore::open_existing(location, &BTreeMap::new()).expect("looked at");
    assert!(opened.is_none());
    let tried = TableStore::probe_at(location, &BTreeMap::new(), "kombo_probe").await;
    tried.expect("a lake can be made there");
    assert_eq!(fs::read_dir(base.path()).expect("there").count(), 0);

    let below_a_file = base.path().join("file");
    fs::write(&below_a_file, "").expect("written");
    for location in [below_a_file.clone(), below_a_file.join("lake")] {
        let location = location.to_str().expect("unicode");
        let error = TableStore::open_existing(location, &BTreeMap::new()).expect_err("a file");
        assert!(matches!(error, StoreError::Folder { .. }), "{error}");
    }
}
