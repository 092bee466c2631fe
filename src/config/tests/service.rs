//! Settings of the service: addresses, TLS, webhook secrets, upkeep, and checks across sections.

use std::path::Path;
use std::time::Duration;

use super::bad::{document, sink, source};
use super::secrets::file;
use super::{SHORT, load};
use crate::time::SecondLook;
use crate::webhook::{Signature, SignatureError, WebhookSecret};

const SECRET: &str = "whsec-THE-KEY-1234";
const NEW: &str = "whsec-new-12345678";
const BODY: &[u8] = b"{}";

fn with_webhook(options: &str) -> super::Config {
    let text = SHORT.replace(
        "type: kombo",
        &format!("type: kombo, webhook: {{{options}}}"),
    );
    load("kombo.yaml", &text).expect("valid")
}

fn sign(secret: &str) -> Signature {
    let signed = WebhookSecret::new(secret).expect("a secret").sign(BODY);
    Signature::parse(signed).expect("the form of a signature")
}

#[test]
fn an_address_in_the_open_needs_tls_or_a_proxy() {
    let problem = "where webhooks would come unencrypted; add tls with crt_file and key_file, or behind_proxy: true if a proxy in front ends TLS";
    for address in [
        "0.0.0.0:443",
        "[::]:443",
        "10.0.0.7:443",
        "[::ffff:10.0.0.7]:443",
    ] {
        assert_eq!(
            source(&format!("webhook:\n  address: '{address}'")),
            format!("kombo.yaml:5: sources.kombo.webhook.address is {address}, {problem}")
        );
        let tls = "tls: {crt_file: a.crt, key_file: a.key}";
        for mended in [tls, "behind_proxy: true"] {
            with_webhook(&format!("address: '{address}', {mended}"));
        }
    }
    for address in [
        "127.0.0.1:80",
        "127.8.8.8:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
    ] {
        with_webhook(&format!("address: '{address}'"));
    }
}

#[test]
fn metrics_are_for_this_machine_unless_exposed() {
    assert_eq!(
        document(&format!("{SHORT}api: {{address: '0.0.0.0:8686'}}")),
        "kombo.yaml:3: api.address is 0.0.0.0:8686, where other machines can read metrics; use a loopback address, or add exposed: true if they may"
    );
    for mended in ["exposed: true", "enabled: false"] {
        let text = format!("{SHORT}api: {{address: '0.0.0.0:8686', {mended}}}");
        load("kombo.yaml", &text).expect(mended);
    }
}

#[test]
fn two_listeners_cannot_share_a_port() {
    assert_eq!(
        source("webhook: {address: '127.0.0.1:8686'}"),
        "kombo.yaml:4: sources.kombo.webhook.address is 127.0.0.1:8686, but 127.0.0.1:8686 is taken by api, for health and metrics; give one of them another port"
    );
    let all = source("webhook: {address: '0.0.0.0:8686', behind_proxy: true}");
    assert!(
        all.contains("is 0.0.0.0:8686, but 127.0.0.1:8686 is taken by api"),
        "{all}"
    );
    let hook = SHORT.replace(
        "type: kombo",
        "type: kombo, webhook: {address: '127.0.0.1:8686'}",
    );
    let all = document(&format!(
        "{hook}api: {{address: '0.0.0.0:8686', exposed: true}}"
    ));
    assert!(all.contains("0.0.0.0:8686 is taken by api"), "{all}");
    with_webhook("address: '127.0.0.2:8686'");
    let both_free = "api: {address: '127.0.0.1:0'}";
    let text = SHORT.replace(
        "type: kombo",
        "type: kombo, webhook: {address: '127.0.0.1:0'}",
    );
    load("kombo.yaml", &format!("{text}{both_free}")).expect("any two free ports");
    load("kombo.yaml", &format!("{hook}api: {{enabled: false}}")).expect("nobody else is there");
}

#[test]
fn a_webhook_without_a_secret_is_an_error_and_no_webhook_needs_none() {
    let none = load("kombo.yaml", SHORT).expect("valid");
    assert!(
        none.webhook_verifier_from([None, None])
            .expect("no webhook")
            .is_none()
    );
    let config = with_webhook("path: /hook");
    for variables in [[None, None], [Some(" "), None], [None, Some(SECRET)]] {
        let error = config
            .webhook_verifier_from(variables)
            .expect_err("no secret");
        assert_eq!(
            error.to_string(),
            "there is no webhook secret: set KOMBO_WEBHOOK_SECRET, or name a file with secret_file in sources.kombo.webhook"
        );
        assert_eq!(error.exit_code(), 78);
    }
    let error = config.webhook_verifier_from([Some("whsec THE-KEY"), None]);
    let error = error.expect_err("a space");
    assert_eq!(
        error.to_string(),
        "KOMBO_WEBHOOK_SECRET holds a space or a character that is not visible ASCII"
    );
    assert!(!format!("{error:?}").contains("THE-KEY"));
}

#[test]
fn webhooks_signed_with_either_secret_are_taken_while_one_is_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), &format!("{SECRET}\n"), 0o644);
    let config = with_webhook(&format!("secret_file: '{}'", path.display()));
    let verifier = |variables| {
        let found = config.webhook_verifier_from(variables);
        found.expect("a secret").expect("a webhook")
    };
    let (one, warnings) = verifier([None, None]);
    assert_eq!(warnings.len(), 1, "others can read the file");
    let shown = path.display().to_string();
    assert_eq!(one.origin(), format!("the file {shown:?}"));
    assert!(one.verify(BODY, &sign(SECRET)).is_ok());
    assert_eq!(one.verify(BODY, &sign(NEW)), Err(SignatureError::Wrong));
    let (both, warnings) = verifier([Some(NEW), Some(SECRET)]);
    assert!(warnings.is_empty(), "the file is not asked");
    assert_eq!(
        both.origin(),
        "the variable KOMBO_WEBHOOK_SECRET and with the variable KOMBO_WEBHOOK_OTHER_SECRET"
    );
    for secret in [NEW, SECRET] {
        assert!(both.verify(BODY, &sign(secret)).is_ok(), "{secret}");
    }
    assert_eq!(
        both.verify(BODY, &sign("another-123456789")),
        Err(SignatureError::Wrong)
    );
}

#[test]
fn a_secret_that_can_be_guessed_is_refused_wherever_it_comes_from() {
    const PROBLEM: &str = "has fewer than 16 bytes, so it can be guessed; copy the complete webhook secret from Kombo's dashboard";
    let config = with_webhook("path: /hook");
    let refused = |config: &super::Config, variables| {
        let error = config.webhook_verifier_from(variables);
        error.expect_err("too short").to_string()
    };
    for short in ["x", "whsec-123456789", " whsec-123456789\n"] {
        assert_eq!(
            refused(&config, [Some(short), None]),
            format!("KOMBO_WEBHOOK_SECRET {PROBLEM}")
        );
        assert_eq!(
            refused(&config, [Some(SECRET), Some(short)]),
            format!("KOMBO_WEBHOOK_OTHER_SECRET {PROBLEM}")
        );
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), short, 0o600);
        for option in ["secret_file", "other_secret_file"] {
            let config = with_webhook(&format!("{option}: '{}'", path.display()));
            let first = (option == "other_secret_file").then_some(SECRET);
            assert_eq!(
                refused(&config, [first, None]),
                format!(
                    "kombo.yaml:1: sources.kombo.webhook.{option} names the file {:?}, which {PROBLEM}",
                    path.display().to_string()
                )
            );
        }
    }
    let least = "0123456789abcdef";
    assert!(config.webhook_verifier_from([Some(least), None]).is_ok());
}

#[test]
fn a_secret_is_checked_before_the_service_starts_and_its_absence_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "short\n", 0o600);
    let short = with_webhook(&format!("secret_file: '{}'", path.display()));
    let error = short.check_webhook_secrets().expect_err("too short");
    assert_eq!(error.exit_code(), 78);
    let path = file(folder.path(), SECRET, 0o644);
    let open = with_webhook(&format!("secret_file: '{}'", path.display()));
    assert_eq!(open.check_webhook_secrets().expect("a secret").len(), 1);
    for none in [
        with_webhook("path: /hook"),
        load("kombo.yaml", SHORT).expect("valid"),
    ] {
        assert!(
            none.check_webhook_secrets()
                .expect("none needed")
                .is_empty()
        );
    }
}

#[test]
fn a_second_secret_that_cannot_be_read_is_an_error_too() {
    let config = with_webhook("other_secret_file: /nowhere/secret");
    let error = config.webhook_verifier_from([Some(SECRET), None]);
    assert_eq!(
        error.expect_err("no file").to_string(),
        "kombo.yaml:1: sources.kombo.webhook.other_secret_file names no file that is there; give the path of a file that holds it; the value is not shown, because it may be the secret itself"
    );
}

#[test]
fn tls_needs_both_files_and_each_of_its_kind() {
    assert_eq!(
        source("webhook:\n  tls: {crt_file: a.crt}"),
        "kombo.yaml:5: sources.kombo.webhook.tls.key_file is missing; add key_file there"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let pem = |name: &str, text: &str, mode| {
        let from = file(folder.path(), text, mode);
        let to = folder.path().join(name);
        std::fs::rename(from, &to).expect("renamed");
        to
    };
    let checked = |crt: &Path, key: &Path| {
        let (crt, key) = (crt.display(), key.display());
        with_webhook(&format!("tls: {{crt_file: '{crt}', key_file: '{key}'}}")).check_tls_files()
    };
    let crt = pem(
        "a.crt",
        "# mine\n-----BEGIN CERTIFICATE-----\nTHE-KEY",
        0o644,
    );
    let key = pem("a.key", "-----BEGIN EC PRIVATE KEY-----\r\nTHE-KEY", 0o600);
    assert_eq!(checked(&crt, &key).expect("both are there"), None);
    let error = checked(&key, &crt).expect_err("the wrong way round");
    assert_eq!(
        error.to_string(),
        format!(
            "kombo.yaml:1: sources.kombo.webhook.tls.crt_file names the file {:?}, which holds no certificate; it must be in PEM",
            key.display().to_string()
        )
    );
    assert_eq!(
        checked(&crt, Path::new("/nowhere/key"))
            .expect_err("no file")
            .to_string(),
        "kombo.yaml:1: sources.kombo.webhook.tls.key_file names no file that is there; give the path of a file that holds it; the value is not shown, because it may be the secret itself"
    );
    let open = pem("b.key", "-----BEGIN PRIVATE KEY-----", 0o640);
    assert!(checked(&crt, &open).expect("both are there").is_some());
    let none = load("kombo.yaml", SHORT).expect("valid");
    assert_eq!(none.check_tls_files().expect("no TLS"), None);
}

#[test]
fn nothing_is_vacuumed_that_somebody_may_still_read() {
    let upkeep = |options: &str| {
        sink(&format!(
            "inputs: [kombo]\nurl: ./lake\nupkeep: {{{options}}}"
        ))
    };
    assert_eq!(
        upkeep("vacuum_grace_secs: 86400"),
        "kombo.yaml:7: sinks.lake.upkeep.vacuum_grace_secs is 86400, but must be at least 1209600: two weeks and twice schedule.full_interval_secs, so that no reader of a snapshot loses its files"
    );
    assert_eq!(
        upkeep("log_retention_secs: 3600"),
        "kombo.yaml:7: sinks.lake.upkeep.log_retention_secs is 3600, but must be at least 86400: a fetch may run for a day, and its commit reads the log from the fetch's start"
    );
    assert_eq!(
        upkeep("delta_retention_secs: 86400"),
        "kombo.yaml:7: sinks.lake.upkeep.delta_retention_secs is 86400, but must be at least 3024000: 35 days, so that a reader that reads changes once a month misses none"
    );
    assert_eq!(
        upkeep("drift_retention_secs: 86400"),
        "kombo.yaml:7: sinks.lake.upkeep.drift_retention_secs is 86400, but must be at least 3024000, the value of delta_retention_secs: readers take changes from both tables"
    );
    assert_eq!(
        upkeep("interval: 5"),
        "kombo.yaml:7: unknown option \"interval\" in sinks.lake.upkeep; did you mean \"interval_secs\"?"
    );
    let monthly = "type: kombo, schedule: {full_interval_secs: 2592000}";
    let config = load("kombo.yaml", &SHORT.replace("type: kombo", monthly)).expect("valid");
    let grace = config.upkeep().grace();
    assert_eq!(
        grace,
        Duration::from_hours(30 * 24),
        "no lake remembers removed files for longer"
    );
    let daily = load("kombo.yaml", SHORT).expect("valid");
    let grace = daily.upkeep().grace();
    assert_eq!(grace, Duration::from_hours(14 * 24));
}

#[test]
fn a_second_look_has_to_be_a_second_one() {
    assert_eq!(
        sink("inputs: [kombo]\nurl: ./lake\nguard: {confirm_after_secs: 60}"),
        "kombo.yaml:7: sinks.lake.guard.confirm_after_secs is 60, but must be at least 3600: two full fetches within an hour may fail in the same way; to accept correct losses at once, run `kombo-source accept`"
    );
    assert_eq!(
        sink("inputs: [kombo]\nurl: ./lake\nguard: {confirm_after: 60}"),
        "kombo.yaml:7: unknown option \"confirm_after\" in sinks.lake.guard; did you mean \"confirm_after_secs\"?"
    );
    let second_look = |options: &str| {
        let text = SHORT.replace("url: ./lake", &format!("url: ./lake{options}"));
        load("kombo.yaml", &text)
            .expect("valid")
            .sink
            .lake
            .guard
            .second_look
    };
    assert_eq!(second_look(""), SecondLook::default());
    let hours = SecondLook::after(Duration::from_hours(3));
    let told = second_look(", guard: {confirm_after_secs: 10800}");
    assert_eq!(told, hours);
}

#[test]
fn a_table_is_late_after_two_heartbeats_or_after_the_configured_age() {
    let hours = Duration::from_hours;
    let schedule = |options: &str| {
        let text = SHORT.replace("type: kombo", &format!("type: kombo{options}"));
        load("kombo.yaml", &text).expect("valid").source.schedule
    };
    assert_eq!(schedule("").objective(hours(9)), hours(18));
    let told = schedule(", schedule: {freshness_objective_secs: 3600}");
    assert_eq!(told.objective(hours(9)), hours(1));
}

#[test]
fn how_many_rows_are_remembered_is_a_setting_and_may_be_none() {
    let rows = |options: &str| {
        let text = SHORT.replace("type: kombo", &format!("type: kombo{options}"));
        load("kombo.yaml", &text)
            .expect("valid")
            .source
            .ingest
            .memory_rows
    };
    assert_eq!((rows(""), rows(", memory_rows: 0")), (1_000_000, 0));
    assert_eq!(
        source("memory_rows: -1"),
        "kombo.yaml:4: sources.kombo.memory_rows is -1, but must be a whole number"
    );
}
