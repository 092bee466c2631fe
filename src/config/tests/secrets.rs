//! Secrets come from the environment or from a file, and no error shows them.

use std::path::Path;

use super::super::ConfigWarning;
use super::super::secret::{Sources, find};
use super::{SHORT, load};

const KEY: &str = "sk-THE-KEY";

/// Writes a file with a text and a mode, and returns its path.
pub(super) fn file(folder: &Path, text: &str, mode: u32) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("key");
    std::fs::write(&path, text).expect("written");
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&path, permissions).expect("set");
    path
}

fn with_key_file(path: &Path) -> super::Config {
    let option = format!("type: kombo, api_key_file: '{}'", path.display());
    load("kombo.yaml", &SHORT.replace("type: kombo", &option)).expect("valid")
}

#[test]
fn a_key_comes_from_the_environment_before_the_file() {
    let config = load("kombo.yaml", SHORT).expect("valid");
    let (key, warning) = config.api_key_from(Some(" sk-THE-KEY\n")).expect("a key");
    assert!(!format!("{key:?}").contains("THE-KEY"));
    assert_eq!(warning, None);
    let missing = with_key_file(Path::new("/nowhere/key"));
    assert!(missing.api_key_from(Some(KEY)).is_ok());
    assert!(
        missing.api_key_from(Some(" ")).is_err(),
        "an empty variable is none"
    );
}

#[test]
fn a_key_file_is_trimmed_and_its_readers_are_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "  sk-THE-KEY\n", 0o600);
    let config = with_key_file(&path);
    assert_eq!(config.api_key_from(None).expect("a key").1, None);
    let sources = Sources {
        variable: ("NONE", None),
        file: Some(&path),
        path: "it",
    };
    let secret = find(&sources, &config.places, |text| {
        Ok::<_, String>(text.to_owned())
    });
    assert_eq!(secret.expect("read").expect("a secret").0, KEY);

    let path = file(folder.path(), KEY, 0o640);
    let shown = path.display().to_string();
    let warning = with_key_file(&path).api_key_from(None).expect("a key").1;
    let warning = warning.expect("the group can read it");
    assert_eq!(
        warning,
        ConfigWarning::SecretReadableByOthers {
            file: shown.clone()
        }
    );
    assert_eq!(
        warning.to_string(),
        format!("{shown} holds a secret and other users can read it; run: chmod 600 {shown}")
    );
}

#[test]
fn a_key_that_cannot_be_used_is_an_error_without_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = |config: super::Config, variable: Option<&str>| {
        config.api_key_from(variable).expect_err("no key")
    };
    let none = error(load("kombo.yaml", SHORT).expect("valid"), None);
    assert_eq!(
        none.to_string(),
        "there is no API key: set KOMBO_API_KEY, or name a file with api_key_file in sources.kombo"
    );
    assert_eq!(none.exit_code(), 78);

    let path = file(folder.path(), " \n", 0o600);
    let shown = path.display();
    assert_eq!(
        error(with_key_file(&path), None).to_string(),
        format!(
            "kombo.yaml:1: sources.kombo.api_key_file names the file {shown:?}, which is empty",
            shown = shown.to_string()
        )
    );
    let path = file(folder.path(), "sk-THE KEY", 0o600);
    assert_eq!(
        error(with_key_file(&path), None).to_string(),
        format!(
            "kombo.yaml:1: sources.kombo.api_key_file names the file {:?}, which holds a space or a character that is not visible ASCII",
            path.display().to_string()
        )
    );
    assert_eq!(
        error(with_key_file(Path::new("/nowhere/key")), None).to_string(),
        "kombo.yaml:1: cannot read sources.kombo.api_key_file \"/nowhere/key\""
    );
    let bad_variable = error(
        load("kombo.yaml", SHORT).expect("valid"),
        Some("sk-THE KEY"),
    );
    assert_eq!(
        bad_variable.to_string(),
        "KOMBO_API_KEY holds a space or a character that is not visible ASCII"
    );
    assert_eq!(bad_variable.exit_code(), 64);
}

#[test]
fn a_literal_key_is_refused_without_being_shown() {
    let text = SHORT.replace("type: kombo", "type: kombo, api_key: sk-THE-KEY");
    assert_eq!(
        super::message(load("kombo.yaml", &text)),
        "kombo.yaml:1: sources.kombo.api_key does not belong in this file; set KOMBO_API_KEY, or name a file that holds the key with api_key_file"
    );
}

#[test]
fn a_secret_in_a_wrong_place_of_a_source_is_not_shown() {
    for options in [
        "region: sk-THE-KEY",
        "plan: sk-THE-KEY",
        "webhook: sk-THE-KEY",
        "integrations: sk-THE-KEY",
        "request: {concurrency: sk-THE-KEY}",
        "endpoint: 'https://u:sk-THE-KEY@host/v1'",
        "webhook: {address: sk-THE-KEY}",
        "webhook: {secret: sk-THE-KEY}",
        "webhook: {tls: sk-THE-KEY}",
        "memory_rows: sk-THE-KEY",
    ] {
        let source = format!("type: kombo, {options}");
        assert_not_shown("kombo.yaml", &SHORT.replace("type: kombo", &source));
    }
}

#[test]
fn a_secret_in_a_wrong_place_of_a_sink_is_not_shown() {
    for url in [
        "s3://u:sk-THE-KEY@bucket/x",
        "az://bucket/x?sig=sk-THE-KEY",
        "./lake, options: {aws_secret_access_key: [sk-THE-KEY]}",
        "./lake, options: sk-THE-KEY",
    ] {
        assert_not_shown("kombo.yaml", &SHORT.replace("./lake", url));
    }
}

#[test]
fn a_secret_in_a_text_that_is_no_document_is_not_shown() {
    for (file, text) in [
        ("kombo.yaml", "api_key_file: \"sk-THE-KEY\nsources: {"),
        ("kombo.yaml", "a: [sk-THE-KEY\nb: }"),
        ("kombo.yaml", "a: *sk-THE-KEY"),
        ("kombo.yaml", "sk-THE-KEY"),
        ("kombo.json", "{\"api_key\": \"sk-THE-KEY"),
        ("kombo.json", "{\"api_key\": sk-THE-KEY}"),
    ] {
        assert_not_shown(file, text);
    }
}

fn assert_not_shown(file: &str, text: &str) {
    let error = load(file, text).expect_err(text);
    let said = format!("{error} {error:?}");
    assert!(!said.contains("THE-KEY"), "{text}\n{said}");
}

#[test]
fn debug_of_a_configuration_shows_no_store_options() {
    let text = SHORT.replace(
        "./lake",
        "./lake, options: {aws_secret_access_key: sk-THE-KEY}",
    );
    let config = load("kombo.yaml", &text).expect("valid");
    let said = format!("{config:?}");
    assert!(
        said.contains("aws_secret_access_key") && !said.contains("THE-KEY"),
        "{said}"
    );
}
