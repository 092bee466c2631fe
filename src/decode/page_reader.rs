//! Reads values into their columns, and values that do not fit into `_rest`.

use super::column::TypedColumn;
use super::column::nested::{ListColumn, StructColumn};
use super::error::DecodeError;
use super::hash::{self, ArrayHash, ObjectHash};
use super::rest::{Path, Rest};
use super::scan::{Scanner, Token};
use super::text::JsonText;
use super::values::Fit;

/// The key of a member of an object.
pub(super) enum MemberKey<'a> {
    /// The number of a member that the column of the object declares.
    Declared(usize),
    /// A key that the column does not declare.
    Unknown(JsonText<'a>),
}

impl MemberKey<'_> {
    /// Returns whether the key is this name.
    pub(super) fn is(&self, name: &str, column: &mut StructColumn) -> bool {
        match self {
            Self::Declared(number) => column.member(*number).name == name,
            Self::Unknown(key) => key.as_bytes() == name.as_bytes(),
        }
    }
}

/// A page while it is read, and the `_rest` of the current row.
pub(super) struct PageReader<'a> {
    pub(super) scan: Scanner<'a>,
    pub(super) rest: Rest,
    /// Whether `_rest` holds the text of the last value and the column holds its instant.
    pub(super) kept_form: bool,
    elements_left: usize,
    /// The hash of `null`. Almost half of the values of a page are null.
    null_hash: u64,
}

impl<'a> PageReader<'a> {
    pub(super) fn new(scan: Scanner<'a>, elements: usize) -> Self {
        Self {
            scan,
            rest: Rest::default(),
            kept_form: false,
            elements_left: elements,
            null_hash: hash::literal("null"),
        }
    }

    /// Reads the next value. A value that fits goes into the column. For any other value the column gets null, and the
    /// text goes into `_rest`. Returns the hash of the value, which is equal in both cases.
    pub(super) fn value(
        &mut self,
        column: &mut TypedColumn,
        path: &Path<'_>,
    ) -> Result<u64, DecodeError> {
        let token = self.scan.token()?;
        let start = self.scan.mark();
        self.kept_form = false;
        let (fit, hash) = match (column, token) {
            (column, Token::Null) => {
                self.scan.literal("null")?;
                column.push_null();
                (Fit::Exact, self.null_hash)
            }
            (TypedColumn::Struct(column), Token::Object) => return self.object(column, path),
            (TypedColumn::List(column), Token::Array) => return self.list(column, path),
            (TypedColumn::Json(column), _) => {
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
            (TypedColumn::Bool(column), Token::True | Token::False) => {
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

    /// Reads the object that begins here.
    fn object(&mut self, column: &mut StructColumn, path: &Path<'_>) -> Result<u64, DecodeError> {
        let (mut object, mut first) = (ObjectHash::default(), true);
        self.scan.enter()?;
        for position in 0.. {
            let Some(key) = self.next_key(column, position, &mut first)? else {
                break;
            };
            let (key, value) = self.member(column, path, key)?;
            object.member(key, value);
        }
        column.close();
        Ok(object.finish())
    }

    /// Moves to the next member of an object and reads its key, or leaves the object. The key that stood here last time
    /// is recognised without being read.
    pub(super) fn next_key(
        &mut self,
        column: &mut StructColumn,
        position: usize,
        first: &mut bool,
    ) -> Result<Option<MemberKey<'a>>, DecodeError> {
        if let Some((number, sent)) = column.expected(position)
            && self.scan.skip_key(sent, first)
        {
            return Ok(Some(MemberKey::Declared(number)));
        }
        let key = self.scan.key(first)?;
        Ok(key.map(|key| match column.find(position, key.as_bytes()) {
            Some(number) => MemberKey::Declared(number),
            None => MemberKey::Unknown(key),
        }))
    }

    /// Reads the value of the member whose key was just read. Returns the hashes of key and value.
    pub(super) fn member(
        &mut self,
        column: &mut StructColumn,
        path: &Path<'_>,
        key: MemberKey<'_>,
    ) -> Result<(u64, u64), DecodeError> {
        let objects = column.len();
        let member = match key {
            MemberKey::Declared(number) => column.member(number),
            MemberKey::Unknown(key) => {
                let value = self.leave(&Path::Member(path, key.as_bytes()))?;
                return Ok((key.hash(), value));
            }
        };
        let path = Path::Member(path, member.name.as_bytes());
        if member.column.len() == objects {
            let hash = self.value(&mut member.column, &path)?;
            member.kept_form = self.kept_form;
            return Ok((member.key_hash, hash));
        }
        // A column that is longer than this struct already has a value from an earlier key with the same name.
        if !std::mem::replace(&mut member.kept_form, true)
            && let Some(first) = member.column.last_instant()
        {
            self.rest.keep(&path, &format!("\"{first}\""));
        }
        Ok((member.key_hash, self.leave(&path)?))
    }

    /// Reads the array that begins here. If the page has no list elements left, the complete array goes into `_rest`.
    fn list(&mut self, column: &mut ListColumn, path: &Path<'_>) -> Result<u64, DecodeError> {
        let (start, rest) = (self.scan.mark(), self.rest.mark());
        let (mut array, mut first) = (ArrayHash::default(), true);
        let elements = column.elements.len();
        self.scan.enter()?;
        for index in 0.. {
            if !self.scan.element(&mut first)? {
                break;
            }
            if !self.spend_element() {
                column.elements.truncate(elements);
                column.push_null();
                self.scan.rewind(start);
                self.rest.truncate(rest);
                return self.leave(path);
            }
            array.element(self.value(&mut column.elements, &Path::Element(path, index))?);
        }
        column.close()?;
        Ok(array.finish())
    }

    /// Reads the next value into `_rest`. Returns its hash.
    pub(super) fn leave(&mut self, path: &Path<'_>) -> Result<u64, DecodeError> {
        let (raw, hash) = self.scan.raw()?;
        self.rest.add(path, raw);
        Ok(hash)
    }

    /// Returns whether one more list element may be kept in columns.
    ///
    /// In `[{},{},...]` each element takes three bytes of a page, but a value in every column below. Without this
    /// limit, a page could take a hundred times its size in memory.
    fn spend_element(&mut self) -> bool {
        let may = self.elements_left > 0;
        self.elements_left = self.elements_left.saturating_sub(1);
        may
    }
}
