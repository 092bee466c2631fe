//! Reads values into their columns, and what does not fit into `_rest`.

use super::column::{Column, Fit};
use super::error::DecodeError;
use super::hash;
use super::rest::{Path, Rest};
use super::scan::{Scanner, Token};

/// A page while it is read, with what the row at hand has left over.
pub(super) struct Reader<'a> {
    pub(super) scan: Scanner<'a>,
    pub(super) rest: Rest,
    /// The text of the last value is in `_rest`, and its instant in the column.
    pub(super) kept_form: bool,
    elements_left: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(scan: Scanner<'a>, elements: usize) -> Self {
        Self {
            scan,
            rest: Rest::default(),
            kept_form: false,
            elements_left: elements,
        }
    }

    /// Reads the value that stands next: into the column, or as null into the column and as it is into `_rest`.
    /// Returns its hash, which is the same in both cases.
    pub(super) fn value(
        &mut self,
        column: &mut Column,
        path: &Path<'_>,
    ) -> Result<u64, DecodeError> {
        let token = self.scan.token()?;
        let start = self.scan.mark();
        self.kept_form = false;
        let (fit, hash) = match (column, token) {
            (column, Token::Null) => {
                self.scan.literal("null")?;
                column.push_null();
                (Fit::Exact, hash::literal("null"))
            }
            (Column::Struct(column), Token::Object) => return column.read(self, path),
            (Column::List(column), Token::Array) => return column.read(self, path),
            (Column::Json(column), _) => {
                let (raw, hash) = self.scan.raw()?;
                column.push(raw)?;
                (Fit::Exact, hash)
            }
            (column, Token::String) => {
                let text = self.scan.string()?;
                (column.push_string(&text)?, text.hash())
            }
            (column, Token::Number) => {
                let text = self.scan.number()?;
                (column.push_number(text), hash::number(text))
            }
            (Column::Bool(column), Token::True | Token::False) => {
                column.push(Some(token == Token::True));
                (Fit::Exact, self.scan.skip()?)
            }
            (column, _) => {
                column.push_null();
                (Fit::None, self.scan.skip()?)
            }
        };
        match fit {
            Fit::Exact => {}
            Fit::OtherForm => {
                self.rest.keep(path, self.scan.since(start));
                self.kept_form = true;
            }
            Fit::None => self.rest.add(path, self.scan.since(start)),
        }
        Ok(hash)
    }

    /// Reads the value that stands next into `_rest`. Returns its hash.
    pub(super) fn leave(&mut self, path: &Path<'_>) -> Result<u64, DecodeError> {
        let (raw, hash) = self.scan.raw()?;
        self.rest.add(path, raw);
        Ok(hash)
    }

    /// Returns whether one more list element may be kept in columns.
    ///
    /// `[{},{},...]` takes three bytes of a page for each element, but a value in every column below: without an end to
    /// that, a page could take a hundred times its size in memory.
    pub(super) fn spend_element(&mut self) -> bool {
        let may = self.elements_left > 0;
        self.elements_left = self.elements_left.saturating_sub(1);
        may
    }
}
