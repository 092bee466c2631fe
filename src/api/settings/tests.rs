use super::*;

fn reason(text: &str) -> &'static str {
    match BaseUrl::parse(text) {
        Err(SetupError::Endpoint { reason }) => reason,
        other => panic!("{text} gives {other:?}"),
    }
}

#[test]
fn the_regions_are_told_apart() {
    let text = |region: Region| region.base_url().to_string();
    assert_eq!(text(Region::Eu), "https://api.kombo.dev/v1");
    assert_eq!(text(Region::Us), "https://api.us.kombo.dev/v1");
    assert_eq!(text(Region::Ca), "https://api.ca.kombo.dev/v1");
}

#[test]
fn the_key_never_travels_unencrypted_but_within_the_machine() {
    for text in [
        "http://127.0.0.1:8484/v1",
        "http://127.9.9.9/v1",
        "http://[::1]:8484/v1",
        "http://localhost:8484/v1",
        "https://kombo.example.com/v1",
    ] {
        assert!(BaseUrl::parse(text).is_ok(), "{text}");
    }
    for text in [
        "http://api.kombo.dev/v1",
        "http://10.0.0.1/v1",
        "http://localhost.example.com/v1",
        "http://0.0.0.0/v1",
        "http://[::ffff:10.0.0.1]/v1",
    ] {
        assert!(reason(text).contains("unencrypted"), "{text}");
    }
}

#[test]
fn an_address_that_is_none_says_what_is_wrong() {
    assert!(reason("api.kombo.dev/v1").contains("absolute"));
    assert!(reason("ftp://api.kombo.dev/v1").contains("https"));
    assert!(reason("https://user:pw@api.kombo.dev/v1").contains("password"));
    assert!(reason("https://api.kombo.dev/v1?key=x").contains("without ?"));
}

#[test]
fn an_id_stays_one_segment_of_the_path() {
    let base_url = BaseUrl::parse("https://api.kombo.dev/v1/").expect("valid");
    assert_eq!(
        base_url.join(["integrations", "a:../../x?y#z%2e"]).as_str(),
        "https://api.kombo.dev/v1/integrations/a:..%2F..%2Fx%3Fy%23z%252e"
    );
}

#[test]
fn a_key_is_trimmed_and_shown_nowhere() {
    let key = ApiKey::new("  sk_secret_123\n").expect("valid");
    assert_eq!(key.expose(), "sk_secret_123");
    assert!(!format!("{key:?} {key:#?}").contains("secret_123"));
}

#[test]
fn what_cannot_be_a_header_is_no_key_and_is_not_repeated() {
    for text in ["", " \n", "a b", "a\u{0}b", "a\nb", "schlüssel"] {
        let error = ApiKey::new(text).expect_err("no key");
        let shown = format!("{error} {error:?}");
        assert!(text.trim().is_empty() || !shown.contains(text), "{shown}");
    }
}

#[test]
fn the_defaults_are_kombos_advice_and_pass_the_check() {
    let settings = ApiSettings::default();
    assert_eq!(settings.check(), Ok(()));
    assert_eq!(settings.rate_limit_num.get(), 300);
    assert_eq!(settings.page_size.get(), 250);
    assert_eq!(settings.max_page_bytes.get(), 67_108_864);
    let read: ApiSettings = serde_saphyr::from_str("{}").expect("nothing is needed");
    assert_eq!(read, settings);
}

#[test]
fn a_setting_out_of_range_is_named() {
    for (text, name) in [
        ("page_size: 251", "page_size"),
        (
            "retry_initial_backoff_secs: 0.0",
            "retry_initial_backoff_secs",
        ),
        (
            "retry_initial_backoff_secs: .nan",
            "retry_initial_backoff_secs",
        ),
        (
            "rate_limit_duration_secs: 86401",
            "rate_limit_duration_secs",
        ),
    ] {
        let settings: ApiSettings = serde_saphyr::from_str(text).expect("well-formed");
        let error = settings.check().expect_err("out of range");
        assert!(error.to_string().contains(name), "{error}");
    }
    for text in ["rate_limit_num: 0", "concurrency: -1", "rate_limit: 3"] {
        assert!(
            serde_saphyr::from_str::<ApiSettings>(text).is_err(),
            "{text}"
        );
    }
}
