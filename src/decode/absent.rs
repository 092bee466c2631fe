//! Rows that say that a record is gone. Kombo sends nothing for a record that disappeared without `remote_deleted_at`,
//! so such rows are made here. A row that a full fetch shows as deleted is written again with a later instant.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};

use super::hash::hash_of_id;
use super::observed_rows::RowOp;
use crate::catalog::{Endpoint, SystemColumn};
use crate::fetch::Fetch;
use crate::time::ObservedAt;

/// Makes one row for each id. `_op` is `absent`, and the id is the only column of Kombo with a value. The first row is
/// observed at `first`, and each further row a microsecond later.
#[must_use]
pub fn absent_rows(
    endpoint: &Endpoint,
    fetch: &Fetch,
    ids: &[String],
    first: ObservedAt,
) -> RecordBatch {
    let (schema, rows) = (endpoint.schema(), ids.len());
    let integration = &fetch.table.integration;
    let repeated = |text: &str| -> ArrayRef { Arc::new(StringArray::new_repeated(text, rows)) };
    let times = times(rows, first);
    let hashes = ids.iter().map(|id| hash_of_id(id));
    let system = SystemColumn::ALL.map(|column| match column {
        SystemColumn::IntegrationKey => repeated(integration.key().as_str()),
        SystemColumn::IntegrationId => repeated(integration.as_str()),
        SystemColumn::Op => repeated(RowOp::Absent.as_str()),
        SystemColumn::FetchedAt => Arc::new(times.clone()),
        SystemColumn::FetchId => repeated(fetch.id.as_str()),
        SystemColumn::Hash => Arc::new(Int64Array::from_iter_values(hashes.clone())),
        SystemColumn::Rest => Arc::new(StringArray::new_null(rows)),
    });
    let fields = schema.fields().iter().skip(SystemColumn::ALL.len());
    let kombo = fields.map(|field| {
        if *field.name() == endpoint.key {
            Arc::new(StringArray::from_iter_values(ids)) as ArrayRef
        } else {
            new_null_array(field.data_type(), rows)
        }
    });
    let columns = system.into_iter().chain(kombo).collect();
    RecordBatch::try_new(Arc::clone(&schema), columns).expect(
        "the columns were made from this schema, and all of Kombo's but the key may be null",
    )
}

/// Returns the rows with new observation instants: the first row at `first`, each further row a microsecond later.
#[must_use]
pub fn seen_again(rows: &RecordBatch, first: ObservedAt) -> RecordBatch {
    let mut columns = rows.columns().to_vec();
    columns[SystemColumn::FetchedAt.position()] = Arc::new(times(rows.num_rows(), first));
    RecordBatch::try_new(rows.schema(), columns).expect("the replaced column keeps its type")
}

fn times(rows: usize, first: ObservedAt) -> TimestampMicrosecondArray {
    let times = (0..).take(rows);
    let times = times.map(|row| first.as_micros().saturating_add(row));
    TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

    use super::*;
    use crate::catalog::Catalog;
    use crate::decode::{DecodeLimits, PageDecoder};
    use crate::fetch::FetchMode;
    use crate::ids::{IntegrationId, TableId};

    fn fetch(endpoint: &Endpoint) -> Fetch {
        let table = TableId {
            integration: IntegrationId::new("tool:a").expect("an id"),
            endpoint: endpoint.name().clone(),
        };
        Fetch::new(table, FetchMode::Snapshot)
    }

    #[test]
    fn of_every_endpoint_the_row_is_that_of_a_record_with_nothing_but_its_id() {
        for endpoint in Catalog::embedded().endpoints() {
            let fetch = fetch(endpoint);
            let key = &endpoint.key;
            let page = format!(
                r#"{{"data":{{"{}":[{{"{key}":"ö1"}},{{"{key}":"2"}}]}}}}"#,
                endpoint.results
            );
            let mut decoder =
                PageDecoder::new(Arc::clone(endpoint), &fetch, DecodeLimits::default());
            let first = ObservedAt::from_micros(7);
            let read = decoder.page(page.as_bytes(), first, |_| {});
            read.expect("a page");
            let read = decoder.take_batch().expect("two rows");
            let ids = ["ö1".to_owned(), "2".to_owned()];
            let made = absent_rows(endpoint, &fetch, &ids, first);
            for (column, field) in read.schema().fields().iter().enumerate() {
                if field.name() == SystemColumn::Op.name() {
                    let ops = made.column(column).as_string::<i32>();
                    assert!(ops.iter().all(|op| op == Some("absent")));
                } else {
                    let (made, read) = (made.column(column), read.column(column));
                    assert_eq!(made, read, "{}: {}", endpoint.name(), field.name());
                }
            }
        }
    }

    #[test]
    fn without_ids_there_are_no_rows() {
        let endpoint = Catalog::embedded().find("ats/tags").expect("known");
        let none = absent_rows(endpoint, &fetch(endpoint), &[], ObservedAt::from_micros(7));
        assert_eq!(none.num_rows(), 0);
    }

    #[test]
    fn each_row_is_observed_after_the_one_before() {
        let endpoint = Catalog::embedded().find("ats/tags").expect("known");
        let ids = ["1", "2", "3"].map(str::to_owned);
        let rows = absent_rows(endpoint, &fetch(endpoint), &ids, ObservedAt::from_micros(7));
        let times = rows.column(SystemColumn::FetchedAt.position());
        let times = times.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(times.values(), &[7, 8, 9]);
        let hashes = rows.column(SystemColumn::Hash.position());
        assert_eq!(hashes.as_primitive::<Int64Type>().null_count(), 0);
        let again = seen_again(&rows, ObservedAt::from_micros(20));
        let later = again.column(SystemColumn::FetchedAt.position());
        let later = later.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(later.values(), &[20, 21, 22]);
        for column in 0..rows.num_columns() {
            let is_time = column == SystemColumn::FetchedAt.position();
            assert!(is_time || rows.column(column) == again.column(column));
        }
    }
}
