//! A file with one integration id a line.

use std::path::{Path, PathBuf};

use super::super::{Config, Overrides};
use super::{SHORT, load};

fn written(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("ids.txt");
    std::fs::write(&path, text).expect("written");
    path
}

fn with_file(path: &Path, besides: &str) -> Result<Config, String> {
    let option = format!(
        "type: kombo, integrations_file: '{}'{besides}",
        path.display()
    );
    load("kombo.yaml", &SHORT.replace("type: kombo", &option)).map_err(|error| error.to_string())
}

fn ids(config: &Config) -> Vec<&str> {
    let ids = config.source.integrations.iter();
    ids.map(crate::ids::IntegrationId::as_str).collect()
}

#[test]
fn the_file_adds_to_the_list_and_each_id_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "\u{feff}# customers\r\n\r\na:1\r\n  b:2  # the second\n#c:3\nd:4#x\na:1\n";
    let path = written(folder.path(), text);
    let config = with_file(&path, ", integrations: [z:9, b:2]").expect("valid");
    assert_eq!(ids(&config), ["z:9", "b:2", "a:1", "d:4#x"]);
}

#[test]
fn a_bad_line_is_named_by_file_and_line_and_not_quoted() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, problem) in [
        ("a:1\nsk-SECRET\n", "2: the line is no integration id"),
        (
            "a:1,b:2",
            "1: the line holds a comma or a quote; write one id a line",
        ),
        ("\n\na:1 b:2", "3: the line holds a space or a character"),
        ("'a:1'", "1: the line holds a comma or a quote"),
    ] {
        let path = written(folder.path(), text);
        let error = with_file(&path, "").expect_err("a bad line");
        let expected = format!("{}:{problem}", path.display());
        assert!(error.starts_with(&expected), "{error}");
        assert!(
            !error.contains("SECRET") && !error.contains("b:2"),
            "{error}"
        );
    }
}

#[test]
fn a_file_without_an_id_is_refused_because_it_would_mean_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    for text in ["", "# none\n\n"] {
        let error = with_file(&written(folder.path(), text), "").expect_err("no id");
        assert!(error.contains("which holds no integration id"), "{error}");
        assert!(error.starts_with("kombo.yaml:"), "{error}");
    }
    let error = with_file(Path::new("/nowhere/ids"), "").expect_err("no file");
    let expected = "integrations_file names the file \"/nowhere/ids\", which cannot be read";
    assert!(error.contains(expected), "{error}");
    let binary = folder.path().join("ids.txt");
    std::fs::write(&binary, [0xff, 0xfe, 0]).expect("written");
    let error = with_file(&binary, "").expect_err("no text");
    assert!(error.contains("which is not text"), "{error}");
}

#[test]
fn ten_thousand_ids_arrive() {
    let folder = tempfile::tempdir().expect("a folder");
    let ids = (0..10_000).map(|number| format!("personio:CBNMt7dSNCzBdnRTx87d{number:05}"));
    let lines = ids.collect::<Vec<_>>().join("\n");
    assert!(lines.len() > 128 << 10, "more than a variable holds");
    let config = with_file(&written(folder.path(), &lines), "").expect("valid");
    assert_eq!(config.source.integrations.len(), 10_000);
}

#[test]
fn a_flag_replaces_the_list_and_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = written(folder.path(), "a:1\n");
    let text = SHORT.replace(
        "type: kombo",
        "type: kombo, integrations: [z:9], integrations_file: /nowhere/ids",
    );
    let load = |overrides: &Overrides| {
        let config = Config::from_text(Path::new("kombo.yaml"), Some(&text), overrides);
        config.map_err(|error| error.to_string())
    };
    let named = Overrides {
        integrations: vec!["b:2".to_owned()],
        ..Overrides::default()
    };
    assert_eq!(ids(&load(&named).expect("valid")), ["b:2"]);
    let by_file = Overrides {
        integrations_file: Some(path),
        ..named
    };
    assert_eq!(ids(&load(&by_file).expect("valid")), ["b:2", "a:1"]);
    let missing = Overrides {
        integrations_file: Some("/nowhere/else".into()),
        ..Overrides::default()
    };
    let error = load(&missing).expect_err("no file");
    assert!(
        error.starts_with("--integrations-file names the file"),
        "{error}"
    );
}
