//! Tests of what rebuilding refuses.

use arrow::array::StringArray;

use super::*;
use crate::catalog::SystemColumn;

#[test]
fn a_row_is_rebuilt_by_another_schema_or_refused_but_never_cut_short() {
    let row = r#"{"id":"x","one":{"a":"y"},"int":7}"#;
    let batch = batch_of(row);
    let with = |fields: &str| rebuild(&endpoint_with(fields), &batch, 0);
    let newer = FIELDS.replace(
        r#"{"name": "text","#,
        r#"{"name": "added", "id": 150, "type": "int"}, {"name": "text","#,
    );
    assert_eq!(
        with(&newer).as_deref(),
        Ok(r#"{"id":"x","int":7,"one":{"a":"y"}}"#)
    );
    let unknown = |name: &str| {
        Err(RebuildError::Column {
            name: name.to_owned(),
        })
    };
    assert_eq!(
        with(&FIELDS.replace(r#"{"name": "int", "id": 102, "type": "int"},"#, "")),
        unknown("int")
    );
    assert_eq!(
        with(&FIELDS.replace(r#"{"name": "a", "id": 110, "type": "string"}, "#, "")),
        unknown("a")
    );
    assert_eq!(
        with(&FIELDS.replace(
            r#""int", "id": 102, "type": "int""#,
            r#""int", "id": 102, "type": "bool""#
        )),
        unknown("int")
    );
    assert_eq!(
        rebuild(&endpoint_with(FIELDS), &batch, 1),
        Err(RebuildError::NoRow)
    );
}

#[test]
fn a_rest_that_goes_nowhere_is_refused() {
    for rest in [
        "[]",
        "{",
        r#"{"a":1}"#,
        r#"{"/one/x/y":1}"#,
        r#"{"/ints/9":1}"#,
        r#"{"/ints/x":1}"#,
        r#"{"/none/x":1}"#,
    ] {
        let batch = batch_of(r#"{"id":"x","one":{"a":"y"},"ints":[1]}"#);
        let mut columns = batch.columns().to_vec();
        columns[SystemColumn::Rest.position()] = Arc::new(StringArray::from(vec![rest]));
        let batch = RecordBatch::try_new(batch.schema(), columns).expect("the same schema");
        assert_eq!(
            rebuild(&endpoint_with(FIELDS), &batch, 0),
            Err(RebuildError::Rest),
            "{rest}"
        );
    }
}
