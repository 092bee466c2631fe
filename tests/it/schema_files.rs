//! Rules about `schemas/` that the catalog does not check when it reads the files.

use std::collections::HashMap;
use std::fs;

use kombo_source::catalog::Catalog;
use serde_json::Value;

use crate::source_text::{files, relative, root};

#[test]
fn every_schema_file_is_read_and_no_field_id_is_used_twice() {
    let folder = root().join("schemas");
    let catalog = Catalog::from_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    let schemas = files(&folder, "json");
    assert_eq!(
        catalog.endpoints().len(),
        schemas.len(),
        "a file of schemas/ is no endpoint"
    );
    for path in schemas {
        let name = relative(&path);
        let text = fs::read_to_string(&path).expect("readable");
        let schema: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut names = HashMap::new();
        check_field_ids(&name, "", &schema["fields"], &mut names);
        let highest = names.keys().max().expect("an endpoint has fields");
        let next = schema["next_field_id"]
            .as_i64()
            .expect("next_field_id is a number");
        assert!(
            next > *highest,
            "{name}: next_field_id {next} is not above {highest}"
        );
    }
}

fn check_field_ids(file: &str, within: &str, fields: &Value, names: &mut HashMap<i64, String>) {
    for field in fields.as_array().into_iter().flatten() {
        check_field_id(file, within, field, names);
    }
}

fn check_field_id(file: &str, within: &str, field: &Value, names: &mut HashMap<i64, String>) {
    let path = format!("{within}/{}", field["name"].as_str().unwrap_or("element"));
    let id = field["id"]
        .as_i64()
        .unwrap_or_else(|| panic!("{file}: {path} has no id"));
    if let Some(other) = names.insert(id, path.clone()) {
        panic!("{file}: field id {id} stands for {other} and for {path}");
    }
    check_field_ids(file, &path, &field["fields"], names);
    if field["item"].is_object() {
        check_field_id(file, &path, &field["item"], names);
    }
}
