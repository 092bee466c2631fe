use std::collections::BTreeSet;

use serde_json::Value;

use super::{endpoint, records, world};
use crate::catalog::{Catalog, Field, FieldKind};
use crate::company::{Oddities, World, WorldSettings};
use crate::time::{parse_date, parse_timestamp};

#[test]
fn every_record_of_every_endpoint_conforms_to_its_schema() {
    // A company of one or seven has tables without rows, and nobody to refer to.
    for (rows, least) in [(0, 0), (1, 0), (7, 0), (600, 1)] {
        let world = world(rows, Oddities::NONE);
        for endpoint in Catalog::embedded().endpoints() {
            let records = records(&world, endpoint);
            assert!(records.len() >= least, "{} has no rows", endpoint.name());
            for record in records {
                if let Err(problem) = object(&endpoint.fields, &record, "") {
                    panic!("{}{problem} in {record}", endpoint.name());
                }
            }
        }
    }
}

#[test]
fn every_field_has_a_value_somewhere_and_every_large_table_has_nulls() {
    let world = world(3_000, Oddities::NONE);
    for endpoint in Catalog::embedded().endpoints() {
        let (mut filled, mut empty) = (BTreeSet::new(), BTreeSet::new());
        let records = records(&world, endpoint);
        for record in &records {
            survey(&endpoint.fields, record, "", &mut filled, &mut empty);
        }
        let mut all = BTreeSet::new();
        paths(&endpoint.fields, "", &mut all);
        let mut missing: Vec<_> = all.difference(&filled).collect();
        // One row in 32 is deleted, and lists leave deleted copies out.
        missing.retain(|path| {
            !path.ends_with(".remote_deleted_at")
                || (records.len() >= 64
                    && endpoint.include_deleted
                    && *path == ".remote_deleted_at")
        });
        assert!(missing.is_empty(), "{}: never {missing:?}", endpoint.name());
        assert!(records.len() < 1_000 || !empty.is_empty(), "no nulls");
    }
}

#[test]
fn the_biggest_endpoint_has_the_rows_asked_for_and_no_other_has_more() {
    for rows in [1, 7, 600] {
        let world = world(rows, Oddities::NONE);
        for integration in world.integrations() {
            let counts: Vec<_> = integration.endpoints().map(|(_, count)| count).collect();
            assert_eq!(counts.iter().max(), Some(&rows), "{counts:?}");
        }
    }
}

#[test]
fn sizes_are_those_of_real_records() {
    let world = world(1_000, Oddities::NONE);
    for (name, expected) in [("ats/applications", 2_300), ("hris/employees", 3_300)] {
        let id = super::owner(&world, endpoint(name)).id();
        let bytes: usize = world.truth(id, endpoint(name)).map(|line| line.len()).sum();
        assert!((bytes / 1_000).abs_diff(expected) < 400, "{name}: {bytes}");
    }
}

#[test]
fn anonymised_rows_keep_their_id_and_when_they_were_deleted_and_nothing_else() {
    let world = world(2_000, Oddities::default());
    let (mut anonymised, mut deleted) = (0, 0);
    for record in records(&world, endpoint("hris/employees")) {
        if record["remote_deleted_at"].is_null() {
            continue;
        }
        if record["changed_at"].is_null() {
            let values = record.as_object().expect("an object").iter();
            let kept: Vec<_> = values
                .filter(|(_, v)| !v.is_null())
                .map(|(k, _)| k)
                .collect();
            assert_eq!(kept, ["id", "remote_deleted_at"]);
            anonymised += 1;
        } else {
            assert_eq!(record["changed_at"], record["remote_deleted_at"]);
            deleted += 1;
        }
    }
    assert!(anonymised > 5 && deleted > 5, "{anonymised} {deleted}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let text = |seed| {
        let world = World::new(WorldSettings {
            integrations: 4,
            rows: 200,
            seed,
            ..WorldSettings::default()
        });
        let mut text = String::new();
        for integration in world.integrations() {
            text.push_str(integration.id().as_str());
            for (endpoint, _) in integration.endpoints() {
                text.extend(world.truth(integration.id(), endpoint));
            }
        }
        text
    };
    assert!(text(5) == text(5), "the same seed");
    assert!(text(5) != text(6), "another seed");
}

#[test]
fn oddities_show_values_and_fields_that_no_schema_has() {
    let world = world(2_000, Oddities::ALL);
    let all = records(&world, endpoint("ats/applications"));
    assert!(all.iter().any(|row| row["outcome"] == "SOMETHING_NEW"));
    assert!(all.iter().any(|row| row["twin_extra"]["since"] == "2026"));
}

#[test]
fn a_field_and_an_endpoint_added_to_the_schemas_get_values_without_rust() {
    let tags = r#"{"category":"ats","endpoint":"tags","path":"/ats/tags","results":"results","key":"id","paged":true,
        "page_size":{"default":100,"max":250},"updated_after":true,"include_deleted":true,"ids":true,"remote_ids":true,
        "deprecated":false,"beta":false,"next_field_id":104,"models":[],"nested":[],"fields":[
        {"name":"id","id":100,"type":"string"},
        {"name":"colour","id":101,"type":"enum","values":["RED","BLUE"]},
        {"name":"shade","id":102,"type":"struct","fields":[{"name":"depth","id":103,"type":"float"}]}]}"#;
    let moods = tags.replace("tags", "moods");
    let files = [
        ("tags".to_owned(), tags.to_owned()),
        ("moods".to_owned(), moods),
    ];
    let catalog = Catalog::from_texts(files).expect("two endpoints");
    let world = World::with_catalog(
        WorldSettings {
            integrations: 1,
            rows: 500,
            ..WorldSettings::default()
        },
        &catalog,
    );
    for endpoint in catalog.endpoints() {
        let records = records(&world, endpoint);
        assert!(records.len() >= 10, "{}", records.len());
        for record in records.iter().filter(|row| !row["colour"].is_null()) {
            object(&endpoint.fields, record, "").expect("as declared");
        }
    }
}

/// Says where a value is not what its fields declare.
pub(super) fn object(fields: &[Field], value: &Value, at: &str) -> Result<(), String> {
    let Some(object) = value.as_object() else {
        return Err(format!("{at} is no object"));
    };
    if let Some(key) = object
        .keys()
        .find(|key| !fields.iter().any(|f| f.name == **key))
    {
        return Err(format!("{at}.{key} is not declared"));
    }
    for field in fields {
        let at = format!("{at}.{}", field.name);
        match object.get(&field.name) {
            None if field.optional => {}
            None => return Err(format!("{at} is missing")),
            Some(value) => check(field, value, &at)?,
        }
    }
    Ok(())
}

fn check(field: &Field, value: &Value, at: &str) -> Result<(), String> {
    if value.is_null() {
        let fine = field.nullable;
        return if fine {
            Ok(())
        } else {
            Err(format!("{at} is null"))
        };
    }
    let text = value.as_str();
    let fine = match &field.kind {
        FieldKind::Json => true,
        FieldKind::Bool => value.is_boolean(),
        FieldKind::Int => value.is_u64(),
        FieldKind::Float => value.is_number(),
        FieldKind::Timestamp => text.and_then(parse_timestamp).is_some(),
        FieldKind::Date => text.and_then(parse_date).is_some(),
        FieldKind::MidnightDate => text
            .and_then(parse_timestamp)
            .is_some_and(|micros| micros % 86_400_000_000 == 0),
        FieldKind::String => text.is_some_and(|text| string(field, text)),
        FieldKind::List(item) => {
            let items = value.as_array().ok_or_else(|| format!("{at} is no list"))?;
            for value in items {
                check(item, value, &format!("{at}[]"))?;
            }
            true
        }
        FieldKind::Struct(fields) => return union(field, fields, value, at),
    };
    if fine {
        Ok(())
    } else {
        Err(format!("{at} is {value}"))
    }
}

/// A union has the fields of its tag's variant and no others.
fn union(field: &Field, fields: &[Field], value: &Value, at: &str) -> Result<(), String> {
    let Some(tag_path) = &field.hints.tag else {
        return object(fields, value, at);
    };
    let tag = value.pointer(&format!("/{}", tag_path.replace('.', "/")));
    let tag = tag.and_then(Value::as_str).unwrap_or_default();
    let Some(paths) = field.hints.variants.get(tag) else {
        return Err(format!("{at} has the tag {tag:?}"));
    };
    let own: Vec<Field> = fields
        .iter()
        .filter_map(|f| variant(f, "", paths))
        .collect();
    object(&own, value, at)
}

fn variant(field: &Field, within: &str, paths: &[String]) -> Option<Field> {
    let path = format!("{within}{}", field.name);
    if !paths.contains(&path) {
        return None;
    }
    let inside = format!("{path}.");
    let mut own = field.clone();
    if let FieldKind::Struct(fields) = &mut own.kind
        && paths.iter().any(|path| path.starts_with(&inside))
    {
        *fields = fields
            .iter()
            .filter_map(|f| variant(f, &inside, paths))
            .collect();
    }
    Some(own)
}

fn string(field: &Field, text: &str) -> bool {
    let listed = field.hints.values.is_empty()
        || field.hints.open
        || field.hints.values.iter().any(|value| value == text);
    let email = field
        .hints
        .pattern
        .as_ref()
        .is_some_and(|p| p.contains('@'));
    let is_email = text.split_once('@').is_some_and(|(local, domain)| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.';
        text.chars().all(|c| plain(c) || c == '@')
            && !text.contains("..")
            && !local.is_empty()
            && !local.starts_with('.')
            && domain.contains('.')
    });
    listed && (!email || is_email)
}

fn survey(
    fields: &[Field],
    value: &Value,
    at: &str,
    filled: &mut BTreeSet<String>,
    empty: &mut BTreeSet<String>,
) {
    for field in fields {
        let at = format!("{at}.{}", field.name);
        let inner = &value[&field.name];
        if inner.is_null() {
            empty.insert(at);
            continue;
        }
        filled.insert(at.clone());
        let (fields, values) = match &field.kind {
            FieldKind::Struct(fields) => (fields, std::slice::from_ref(inner)),
            FieldKind::List(item) => match (&item.kind, inner.as_array()) {
                (FieldKind::Struct(fields), Some(values)) => (fields, values.as_slice()),
                _ => continue,
            },
            _ => continue,
        };
        for value in values {
            survey(fields, value, &at, filled, empty);
        }
    }
}

fn paths(fields: &[Field], at: &str, all: &mut BTreeSet<String>) {
    for field in fields {
        let at = format!("{at}.{}", field.name);
        all.insert(at.clone());
        match &field.kind {
            FieldKind::Struct(fields) => paths(fields, &at, all),
            FieldKind::List(item) => {
                if let FieldKind::Struct(fields) = &item.kind {
                    paths(fields, &at, all);
                }
            }
            _ => {}
        }
    }
}
