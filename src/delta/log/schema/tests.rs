use std::sync::Arc;

use crate::catalog::Catalog;
use crate::delta::log::schema::*;

fn schema(fields: Vec<Field>) -> Value {
    to_delta(&Schema::new(fields)).expect("known types")
}

fn nullable(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn list_of(fields: Vec<Field>) -> DataType {
    let element = Field::new("element", DataType::Struct(fields.into()), true);
    DataType::List(Arc::new(element))
}

#[test]
fn every_endpoint_has_a_delta_schema_that_reads_back_as_the_same_arrow_schema() {
    fn plain(fields: &Fields) -> Vec<Field> {
        let plain_type = |data_type: &DataType| match data_type {
            DataType::Struct(fields) => DataType::Struct(plain(fields).into()),
            DataType::List(element) => DataType::List(Arc::clone(
                &Fields::from(plain(&Fields::from(vec![Arc::clone(element)])))[0],
            )),
            other => other.clone(),
        };
        let field = |field: &Arc<Field>| {
            Field::new(
                field.name(),
                plain_type(field.data_type()),
                field.is_nullable(),
            )
        };
        fields.iter().map(field).collect()
    }
    for endpoint in Catalog::embedded().endpoints() {
        let ours = endpoint.schema();
        let text = to_delta(&ours).expect("known types").to_string();
        let read = to_arrow(&text).expect("Delta's");
        assert_eq!(
            plain(read.fields()),
            plain(ours.fields()),
            "{}",
            endpoint.name()
        );
    }
}

#[test]
fn lists_and_field_ids_are_written_as_delta_has_them() {
    let field = nullable("tags", list_of(vec![nullable("name", DataType::Utf8)]))
        .with_metadata([("PARQUET:field_id".to_owned(), "7".to_owned())]);
    assert_eq!(
        schema(vec![field]).to_string(),
        r#"{"fields":[{"metadata":{},"name":"tags","nullable":true,"type":{"containsNull":true,"elementType":{"fields":[{"metadata":{},"name":"name","nullable":true,"type":"string"}],"type":"struct"},"type":"array"}}],"type":"struct"}"#
    );
}

#[test]
fn missing_columns_are_added_at_every_depth_and_may_be_null() {
    let mut table = schema(vec![
        nullable("a", DataType::Utf8),
        nullable(
            "s",
            DataType::Struct(vec![nullable("x", DataType::Int64)].into()),
        ),
        nullable("l", list_of(vec![nullable("p", DataType::Utf8)])),
    ]);
    table["fields"][0]["metadata"]["comment"] = "someone's".into();
    let ours = schema(vec![
        nullable("a", DataType::Utf8),
        Field::new("b", DataType::Date32, false),
        nullable(
            "s",
            DataType::Struct(
                vec![
                    nullable("x", DataType::Int64),
                    nullable("y", DataType::Float64),
                ]
                .into(),
            ),
        ),
        nullable(
            "l",
            list_of(vec![
                nullable("p", DataType::Utf8),
                Field::new("q", DataType::Boolean, false),
            ]),
        ),
    ]);
    assert_eq!(merge(&mut table, &ours), Ok(true));
    let names = |fields: &Value| -> Vec<String> {
        let fields = fields.as_array().expect("fields");
        let name = |field: &Value| field["name"].as_str().expect("a name").to_owned();
        fields.iter().map(name).collect()
    };
    assert_eq!(names(&table["fields"]), ["a", "s", "l", "b"]);
    assert_eq!(names(&table["fields"][1]["type"]["fields"]), ["x", "y"]);
    let element = &table["fields"][2]["type"]["elementType"]["fields"];
    assert_eq!(names(element), ["p", "q"]);
    assert_eq!(table["fields"][3]["nullable"], true, "old rows have none");
    assert_eq!(element[1]["nullable"], true);
    assert_eq!(table["fields"][0]["metadata"]["comment"], "someone's");
    assert_eq!(
        merge(&mut table, &ours),
        Ok(false),
        "the second time changes nothing"
    );
}

#[test]
fn an_older_build_changes_nothing() {
    let mut table = schema(vec![
        nullable("a", DataType::Utf8),
        nullable("b", DataType::Utf8),
    ]);
    table["fields"][1]["type"] = "variant".into();
    let before = table.clone();
    let ours = schema(vec![Field::new("a", DataType::Utf8, false)]);
    assert_eq!(merge(&mut table, &ours), Ok(false));
    assert_eq!(table, before);
}

#[test]
fn a_column_that_may_be_null_here_becomes_nullable_in_the_table() {
    let mut table = schema(vec![Field::new("a", DataType::Utf8, false)]);
    let ours = schema(vec![nullable("a", DataType::Utf8)]);
    assert_eq!(merge(&mut table, &ours), Ok(true));
    assert_eq!(table, ours);
}

#[test]
fn another_type_is_refused_and_names_the_column() {
    let inner = |data_type| vec![nullable("l", list_of(vec![nullable("p", data_type)]))];
    let mut table = schema(inner(DataType::Utf8));
    let error = merge(&mut table, &schema(inner(DataType::Int64))).expect_err("another type");
    assert_eq!(
        error.to_string(),
        "column l.element.p is string in the table and long here"
    );
    let mut table = schema(vec![nullable("s", DataType::Utf8)]);
    let ours = schema(vec![nullable("s", list_of(vec![]))]);
    let error = merge(&mut table, &ours).expect_err("another type");
    assert_eq!(
        error.to_string(),
        "column s is string in the table and array here"
    );
}

#[test]
fn a_name_that_differs_in_case_only_is_refused() {
    let mut table = schema(vec![nullable("Id", DataType::Utf8)]);
    let error = merge(&mut table, &schema(vec![nullable("id", DataType::Utf8)]));
    assert!(
        matches!(error, Err(SchemaError::CaseConflict { .. })),
        "{error:?}"
    );
}

#[test]
fn types_without_a_place_in_delta_are_refused() {
    for data_type in [
        DataType::UInt64,
        DataType::Null,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
    ] {
        let error = to_delta(&Schema::new(vec![nullable("x", data_type)])).expect_err("refused");
        assert!(
            error.to_string().starts_with("column x has the type"),
            "{error}"
        );
    }
}
