//! Tests of the exact texts: paths in existing lakes and other builds depend on them.

use super::*;

#[test]
fn a_key_is_safe_in_a_path_whatever_the_id() {
    let id = IntegrationId::new("a:../../x/%2e%2e\\Y").expect("visible ASCII with a tool");
    let key = id.key();
    assert!(
        key.as_str()
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
        "{key}"
    );
}

#[test]
fn only_what_is_made_of_an_id_is_read_as_a_key() {
    let key = IntegrationId::new("a:../../x").expect("id").key();
    assert_eq!(IntegrationKey::from_stored(key.as_str()), Some(key));
    for other in [
        "",
        "a/../b-0123456789abcdef0123456789abcdef",
        "A-0123456789abcdef0123456789abcdef",
        "a-0123456789abcdef",
        "a-0123456789abcdef0123456789abcdef0",
        "a-0123456789abcdef0123456789abcdeg",
    ] {
        assert_eq!(IntegrationKey::from_stored(other), None, "{other:?}");
    }
}

#[test]
fn an_endpoint_has_a_category_and_a_name() {
    let name = EndpointName::from_stored("ats/applications").expect("a name");
    assert_eq!(name.table_name(), "ats_applications");
    for other in ["", "ats", "ats/", "/applications", "crm/contacts"] {
        assert_eq!(EndpointName::from_stored(other), None, "{other:?}");
    }
}

#[test]
fn a_key_tells_case_twins_apart() {
    let upper = IntegrationId::new("tool:AB").expect("id").key();
    let lower = IntegrationId::new("tool:ab").expect("id").key();
    assert_ne!(upper, lower);
}

#[test]
fn a_key_never_changes() {
    let id = IntegrationId::new("personio:CBNMt7dSNCzBdnRTx87dev4E").expect("id");
    assert_eq!(id.tool(), "personio");
    assert_eq!(
        id.key().as_str(),
        "personio-cbnmt7dsnczbdnrtx87dev4e-9a0b4e49c2967792aee3db4a261630e4"
    );
}

#[test]
fn the_id_of_a_table_is_small() {
    assert_eq!(size_of::<TableId>(), 16);
}

#[test]
fn a_key_has_a_number_of_its_own() {
    let id = IntegrationId::new("personio:CBNMt7dSNCzBdnRTx87dev4E").expect("id");
    assert_eq!(id.key().number(), 0x9a0b_4e49_c296_7792);
}

#[test]
fn texts_that_are_no_ids_say_why() {
    assert_eq!(IntegrationId::new(""), Err(IdError::Empty));
    assert_eq!(IntegrationId::new("a b:c"), Err(IdError::NotVisibleAscii));
    assert_eq!(IntegrationId::new("a:\u{1}"), Err(IdError::NotVisibleAscii));
    assert!(matches!(
        IntegrationId::new("../../x"),
        Err(IdError::NoTool { .. })
    ));
    let long = format!("a:{}", "x".repeat(255));
    assert_eq!(
        IntegrationId::new(&long),
        Err(IdError::TooLong { bytes: 257 })
    );
}

#[test]
fn a_blank_next_is_the_last_page() {
    assert_eq!(Cursor::from_next("  "), None);
    assert_eq!(
        Cursor::from_next("abc").map(|c| c.as_str().to_owned()),
        Some("abc".to_owned())
    );
}
