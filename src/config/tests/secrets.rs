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
        "kombo.yaml:1: sources.kombo.api_key_file names no file that is there; give the path of a file that holds it; the value is not shown, because it may be the secret itself"
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
fn a_key_in_the_place_of_its_file_is_not_shown() {
    let long = "sk-THE-KEY".repeat(40);
    for (value, advice) in [
        (
            "sk-THE-KEY-0123456789abcdef",
            "looks like the secret itself",
        ),
        (long.as_str(), "looks like the secret itself"),
        ("sk/THE-KEY+abc==", "the value is not shown"),
    ] {
        let config = with_key_file(Path::new(value));
        let error = config.api_key_from(None).expect_err("no file");
        let said = format!("{} {error:?}", crate::words::with_causes(&error));
        assert!(said.contains(advice) && !said.contains("THE-KEY"), "{said}");
        assert!(said.starts_with("kombo.yaml:1: sources.kombo.api_key_file names no file"));
        assert_eq!(error.exit_code(), 78);
        // With the variable the service starts, so this is a warning.
        let warnings = config.check_api_key_file(Some(KEY)).expect("a key");
        let said = format!("{} {warnings:?}", warnings[0]);
        assert!(
            said.contains("KOMBO_API_KEY is used in its place"),
            "{said}"
        );
        assert!(!said.contains("THE-KEY"), "{said}");
    }
}

#[test]
fn every_file_that_a_configuration_names_is_checked() {
    let missing = "/nowhere/THE-KEY";
    for (place, options) in [
        ("kombo", format!("type: kombo, api_key_file: {missing}")),
        (
            "kombo",
            format!("type: kombo, webhook: {{secret_file: {missing}}}"),
        ),
        (
            "kombo",
            format!("type: kombo, webhook: {{tls: {{crt_file: {missing}, key_file: {missing}}}}}"),
        ),
    ] {
        let config = load("kombo.yaml", &SHORT.replace("type: kombo", &options));
        let config = config.expect("valid");
        let checks = [
            config.check_api_key_file(None).map(drop),
            config.webhook_verifier_from([None, None]).map(drop),
            config.check_tls_files().map(drop),
        ];
        let errors = checks.into_iter().filter_map(Result::err);
        let errors: Vec<_> = errors.map(|error| error.to_string()).collect();
        let named = |error: &String| error.contains(place) && error.contains("names no file");
        assert!(errors.iter().any(named), "{options}: {errors:?}");
        assert!(!errors.concat().contains("THE-KEY"), "{errors:?}");
    }
    for option in ["google_service_account", "aws_web_identity_token_file"] {
        let lake = format!("./lake, options: {{{option}: {missing}}}");
        let config = load("kombo.yaml", &SHORT.replace("./lake", &lake)).expect("valid");
        let error = config.check_store_files().expect_err("missing").to_string();
        assert!(
            error.contains(&format!("options.{option} names no file")),
            "{error}"
        );
    }
}

#[test]
fn a_store_secret_in_a_configuration_that_others_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = "./lake, options: {aws_region: x, aws_secret_access_key: sk-THE-KEY}";
    let text = SHORT.replace("./lake", lake);
    let warned = |mode, text: &str| {
        let path = file(folder.path(), text, mode).with_extension("yaml");
        std::fs::rename(folder.path().join("key"), &path).expect("renamed");
        let config = super::Config::load(Some(&path), &super::Overrides::default());
        config.expect("valid").secrets_in_text()
    };
    assert_eq!(warned(0o600, &text), None);
    assert_eq!(warned(0o644, SHORT), None, "it holds no secret");
    let warning = warned(0o644, &text).expect("others can read it");
    let said = format!("{warning} {warning:?}");
    assert!(
        said.contains("options.aws_secret_access_key") && said.contains("chmod 600"),
        "{said}"
    );
    assert!(!said.contains("THE-KEY"), "{said}");
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
        "s3://bucket/x#sk-THE-KEY",
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
