#[cfg(unix)]
mod local;

use crate::delta::object_key::TablePath;
use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::delta::store::*;

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |text: &str| text.to_owned();
    pairs
        .iter()
        .map(|(key, value)| (own(key), own(value)))
        .collect()
}

#[tokio::test]
async fn a_local_lake_may_have_any_name_and_is_made_with_its_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a b%20c#ü").join("lake");
    let as_url = Url::from_file_path(&path).expect("absolute").to_string();
    for location in [path.to_str().expect("unicode"), &as_url] {
        let store = TableStore::open(location, &BTreeMap::new()).expect("opened");
        store
            .probe("kombo_probe")
            .await
            .expect("a local disk will do");
        let key = Path::from("kombo_layout.json");
        store.objects().put(&key, "{}".into()).await.expect("put");
        assert!(path.join("kombo_layout.json").is_file());
        assert_eq!(
            store
                .table_url(&TablePath::new("kombo_drift"))
                .to_file_path(),
            Ok(path.canonicalize().expect("there").join("kombo_drift"))
        );
    }
    assert!(
        !path.join("kombo_probe").exists(),
        "a probe cleans up behind itself"
    );
}

#[test]
fn a_folder_that_cannot_be_made_says_so() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let below = file.path().join("lake");
    let location = below.to_str().expect("unicode");
    let error = TableStore::open(location, &BTreeMap::new()).expect_err("a file is in the way");
    assert!(matches!(error, StoreError::Folder { .. }), "{error}");
}

#[test]
fn cloud_locations_are_opened_from_options_and_shown_without_secrets() {
    let s3 = options(&[
        ("aws_endpoint", "http://127.0.0.1:1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("aws_region", "eu-central-1"),
        ("aws_secret_access_key", "s3cr3t"),
        ("aws_access_key_id", "me"),
    ]);
    let store = TableStore::open("s3://bucket/some/lake?token=s3cr3t", &s3).expect("opened");
    assert_eq!(store.url().as_str(), "s3://bucket/some/lake/");
    assert_eq!(format!("{store:?}"), "TableStore(s3://bucket/some/lake/)");
    let table = TablePath::new("kombo_integrations");
    assert_eq!(
        store.table_url(&table).as_str(),
        "s3://bucket/some/lake/kombo_integrations"
    );
    let azure = options(&[
        ("azure_storage_account_name", "me"),
        ("azure_skip_signature", "true"),
    ]);
    let store = TableStore::open("az://container", &azure).expect("opened");
    assert_eq!(store.url().as_str(), "az://container/");
    let store = TableStore::open("abfss://c@me.dfs.core.windows.net/lake", &BTreeMap::new());
    store.expect("the account stands in the location");
    let gcs = options(&[("google_skip_signature", "true")]);
    let store = TableStore::open("gs://bucket/lake", &gcs).expect("opened");
    assert_eq!(store.url().as_str(), "gs://bucket/lake/");
}

#[test]
fn an_unknown_option_is_named_and_its_value_is_not() {
    for location in [
        "s3://bucket",
        "gs://bucket",
        "az://container",
        "memory:",
        "/tmp",
    ] {
        let wrong = options(&[("aws_regionn", "s3cr3t")]);
        let error = TableStore::open(location, &wrong).expect_err("unknown");
        let text = error.to_string();
        assert!(
            text.contains("\"aws_regionn\"") && !text.contains("s3cr3t"),
            "{text}"
        );
    }
}

#[test]
fn a_location_of_no_known_kind_is_refused() {
    for location in ["ftp://host/lake", "http://host/lake", "mailto:x"] {
        let error = TableStore::open(location, &BTreeMap::new()).expect_err("unknown");
        assert!(matches!(error, StoreError::Location), "{error}");
    }
}

#[tokio::test]
async fn each_step_of_a_probe_names_itself_when_it_fails() {
    let steps = [
        ProbeStep::Write,
        ProbeStep::Create,
        ProbeStep::CreateAgain,
        ProbeStep::Read,
        ProbeStep::Delete,
    ];
    let memory = TableStore::memory();
    for (call, step) in steps.into_iter().enumerate() {
        let inner = Arc::clone(memory.objects());
        let faulty = FaultyStore::new(inner, call..call + 1, Failure::Before);
        let store = TableStore::over(faulty, memory.url().clone());
        match (store.probe("kombo_probe").await, step) {
            (
                Err(StoreError::Probe {
                    step: failed,
                    source: Some(_),
                }),
                _,
            ) => {
                assert_eq!(failed, step);
            }
            (outcome, _) => panic!("{step:?}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_store_that_overwrites_what_exists_fails_the_probe() {
    let memory = TableStore::memory();
    let store = TableStore::over(faulty::overwriting(memory.objects()), memory.url().clone());
    let error = store
        .probe("kombo_probe")
        .await
        .expect_err("no put-if-absent");
    assert!(
        matches!(
            error,
            StoreError::Probe {
                step: ProbeStep::CreateAgain,
                source: None
            }
        ),
        "{error}"
    );
    assert!(ProbeStep::CreateAgain.advice().contains("If-None-Match"));
}
