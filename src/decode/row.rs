//! The columns of a batch, including the system columns, filled row by row.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Fields;

use super::column::TypedColumn;
use super::column::nested::StructColumn;
use super::error::DecodeError;
use super::hash::{self, ObjectHash};
use super::observed_rows::RowOp;
use super::page_reader::PageReader;
use super::rest::Path;
use super::scan::Token;
use super::values::TextColumn;
use crate::catalog::{Endpoint, SystemColumn};
use crate::fetch::Fetch;

/// The field that makes a row a deletion: when Kombo no longer found the record upstream.
const DELETED_AT: &str = "remote_deleted_at";

/// The rows of one fetch that are not in a batch yet.
pub(super) struct RowColumns {
    endpoint: Arc<Endpoint>,
    integration_key: String,
    integration_id: String,
    fetch_id: String,
    deleted: Vec<bool>,
    fetched_at: Vec<i64>,
    hashes: Vec<i64>,
    rest: TextColumn,
    kombo: StructColumn,
    /// Number of rows of the last batch.
    last_len: usize,
}

/// The result of reading one element of the list of rows.
pub(super) enum RowOutcome<'a> {
    /// The row was added.
    Kept {
        /// Hash of the row's id.
        id: u64,
        /// Number of values of the row that did not fit.
        rest_values: u64,
    },
    /// The element has no usable id, so it was not added. Holds the reason and the text of the element.
    Quarantined { reason: &'static str, raw: &'a str },
}

impl RowColumns {
    pub(super) fn new(endpoint: Arc<Endpoint>, fetch: &Fetch) -> Self {
        let schema = endpoint.schema();
        let kombo: Fields = schema
            .fields()
            .iter()
            .skip(SystemColumn::ALL.len())
            .cloned()
            .collect();
        Self {
            integration_key: fetch.table.integration.key().to_string(),
            integration_id: fetch.table.integration.to_string(),
            fetch_id: fetch.id.to_string(),
            deleted: Vec::new(),
            fetched_at: Vec::new(),
            hashes: Vec::new(),
            rest: TextColumn::default(),
            kombo: StructColumn::new(&endpoint.fields, &kombo),
            last_len: 0,
            endpoint,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Reads the next row.
    pub(super) fn read<'a>(
        &mut self,
        reader: &mut PageReader<'a>,
        fetched_at: i64,
    ) -> Result<RowOutcome<'a>, DecodeError> {
        reader.rest.clear();
        if self.len() == 0 {
            self.begin();
        }
        let is_object = reader.scan.token()? == Token::Object;
        let start = reader.scan.mark();
        if !is_object {
            reader.scan.skip()?;
            return Ok(RowOutcome::Quarantined {
                reason: "not an object",
                raw: reader.scan.since(start),
            });
        }
        let (hash, deleted) = self.read_members(reader)?;
        let Some(id) = self.last_id() else {
            self.kombo.truncate(self.len());
            return Ok(RowOutcome::Quarantined {
                reason: "no usable id",
                raw: reader.scan.since(start),
            });
        };
        match reader.rest.text() {
            Some(text) => self.rest.push(text)?,
            None => self.rest.push_null(),
        }
        self.deleted.push(deleted);
        self.fetched_at.push(fetched_at);
        self.hashes.push(hash.cast_signed());
        Ok(RowOutcome::Kept {
            id,
            rest_values: reader.rest.values(),
        })
    }

    /// Reads the members of a row. Returns the hash of the row and whether the row is deleted.
    fn read_members(&mut self, reader: &mut PageReader<'_>) -> Result<(u64, bool), DecodeError> {
        let (mut object, mut first) = (ObjectHash::default(), true);
        let mut deleted = None;
        reader.scan.enter()?;
        for position in 0.. {
            let Some(key) = reader.next_key(&mut self.kombo, position, &mut first)? else {
                break;
            };
            let null = reader.scan.token()? == Token::Null;
            if key.is(DELETED_AT, &mut self.kombo) {
                // The first of two equal keys decides, as for columns.
                deleted.get_or_insert(!null);
            }
            let (key, value) = reader.member(&mut self.kombo, &Path::Root, key)?;
            if !null {
                object.member(key, value);
            }
        }
        self.kombo.close();
        Ok((object.finish(), deleted == Some(true)))
    }

    /// Returns the hash of the id of the row that was just read. Returns `None` when the row has no usable id.
    fn last_id(&self) -> Option<u64> {
        match self.kombo.column(&self.endpoint.key) {
            Some(TypedColumn::Text(ids)) => {
                let id = ids.last();
                (!id.is_empty()).then(|| hash::string(id))
            }
            _ => None,
        }
    }

    /// Removes all rows after the first `len`, and a row that was read only in part.
    pub(super) fn truncate(&mut self, len: usize) {
        self.deleted.truncate(len);
        self.fetched_at.truncate(len);
        self.hashes.truncate(len);
        self.rest.truncate(len);
        self.kombo.truncate(len);
    }

    /// Makes room for as many rows as the last batch had.
    fn begin(&mut self) {
        self.deleted.reserve(self.last_len);
        self.fetched_at.reserve(self.last_len);
        self.hashes.reserve(self.last_len);
        self.rest.begin();
        self.kombo.begin();
    }

    /// Returns about how many bytes the rows take in Arrow.
    pub(super) fn bytes(&self) -> usize {
        let constant =
            self.integration_key.len() + self.integration_id.len() + self.fetch_id.len() + 6;
        let fixed = 2 * size_of::<i64>() + 4 * size_of::<i32>();
        self.len() * (constant + fixed) + self.rest.bytes() + self.kombo.bytes()
    }

    /// Makes a batch of all rows, and starts again without rows.
    pub(super) fn finish(&mut self) -> RecordBatch {
        let rows = self.len();
        self.last_len = rows;
        let repeated = |text: &str| -> ArrayRef { Arc::new(StringArray::new_repeated(text, rows)) };
        let op = |deleted| {
            if deleted {
                RowOp::Delete
            } else {
                RowOp::Upsert
            }
        };
        let ops = self.deleted.drain(..).map(|deleted| op(deleted).as_str());
        let fetched_at = TimestampMicrosecondArray::from(std::mem::take(&mut self.fetched_at));
        let system: [ArrayRef; SystemColumn::ALL.len()] = [
            repeated(&self.integration_key),
            repeated(&self.integration_id),
            Arc::new(StringArray::from_iter_values(ops)),
            Arc::new(fetched_at.with_timezone("UTC")),
            repeated(&self.fetch_id),
            Arc::new(Int64Array::from(std::mem::take(&mut self.hashes))),
            Arc::new(self.rest.finish()),
        ];
        let (_, kombo, _) = self.kombo.finish().into_parts();
        let columns = system.into_iter().chain(kombo).collect();
        RecordBatch::try_new(self.endpoint.schema(), columns)
            .expect("the columns were made from this schema, and only rows with an id are kept")
    }
}
