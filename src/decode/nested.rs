//! Columns of objects and of lists.

use arrow::array::{ListArray, NullBufferBuilder, StructArray};
use arrow::datatypes::{FieldRef, Fields};

use super::column::Column;
use super::error::DecodeError;
use super::hash::{self, ArrayHash, ObjectHash};
use super::read::Reader;
use super::rest::Path;
use super::text::Text;
use super::values::{offset, offsets};
use crate::catalog::Field;

/// A column of objects: one column for each declared member.
pub(super) struct StructColumn {
    arrow: Fields,
    members: Vec<Member>,
    /// For each position in an object, the member that stood there last time: Kombo's objects repeat their order.
    order: Vec<usize>,
    nulls: NullBufferBuilder,
}

struct Member {
    name: String,
    key_hash: u64,
    column: Column,
    /// What the last object had of it is in `_rest` as well, in the form that was sent.
    kept_form: bool,
}

impl StructColumn {
    pub(super) fn new(fields: &[Field], arrow: &Fields) -> Self {
        let members = fields.iter().zip(arrow).map(|(field, arrow)| Member {
            name: field.name.clone(),
            key_hash: hash::string(field.name.as_bytes()),
            column: Column::new(field, arrow),
            kept_form: false,
        });
        Self {
            arrow: arrow.clone(),
            members: members.collect(),
            order: (0..fields.len()).collect(),
            nulls: NullBufferBuilder::new(0),
        }
    }

    /// Reads the object that begins here.
    pub(super) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        path: &Path<'_>,
    ) -> Result<u64, DecodeError> {
        let (mut object, mut first) = (ObjectHash::default(), true);
        reader.scan.enter()?;
        for position in 0.. {
            let Some(key) = reader.scan.key(&mut first)? else {
                break;
            };
            let (key, value) = self.read_member(reader, path, position, &key)?;
            object.member(key, value);
        }
        self.close();
        Ok(object.finish())
    }

    /// Reads the member whose key was just read. Returns the hashes of key and value.
    pub(super) fn read_member(
        &mut self,
        reader: &mut Reader<'_>,
        path: &Path<'_>,
        position: usize,
        key: &Text<'_>,
    ) -> Result<(u64, u64), DecodeError> {
        let path = Path::Member(path, key.as_bytes());
        let objects = self.len();
        match self.find(position, key.as_bytes()) {
            Some(member) if member.column.len() == objects => {
                let hash = reader.value(&mut member.column, &path)?;
                member.kept_form = reader.kept_form;
                Ok((member.key_hash, hash))
            }
            // A column that is ahead of this one has its value from the same key, further in front.
            Some(member) => {
                if !std::mem::replace(&mut member.kept_form, true)
                    && let Some(first) = member.column.last_instant()
                {
                    reader.rest.keep(&path, &format!("\"{first}\""));
                }
                Ok((member.key_hash, reader.leave(&path)?))
            }
            None => Ok((key.hash(), reader.leave(&path)?)),
        }
    }

    /// Ends an object: members that were not there become null.
    pub(super) fn close(&mut self) {
        let objects = self.len();
        for member in &mut self.members {
            if member.column.len() == objects {
                member.column.push_null();
            }
        }
        self.nulls.append_non_null();
    }

    /// Returns the column of a declared member.
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        let member = self.members.iter().find(|member| member.name == name)?;
        Some(&member.column)
    }

    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    pub(super) fn push_null(&mut self) {
        for member in &mut self.members {
            member.column.push_null();
        }
        self.nulls.append_null();
    }

    pub(super) fn truncate(&mut self, len: usize) {
        for member in &mut self.members {
            member.column.truncate(len);
        }
        self.nulls.truncate(len);
    }

    pub(super) fn bytes(&self) -> usize {
        let members = self.members.iter().map(|member| member.column.bytes());
        members.sum::<usize>() + self.nulls.len() / 8
    }

    pub(super) fn finish(&mut self) -> StructArray {
        let columns = self
            .members
            .iter_mut()
            .map(|member| member.column.finish())
            .collect();
        StructArray::new(self.arrow.clone(), columns, self.nulls.finish())
    }

    fn find(&mut self, position: usize, key: &[u8]) -> Option<&mut Member> {
        let guess = self.order.get(position).copied().unwrap_or(usize::MAX);
        let is_key = |member: &Member| member.name.as_bytes() == key;
        let found = if self.members.get(guess).is_some_and(is_key) {
            guess
        } else {
            let found = self.members.iter().position(is_key)?;
            if let Some(last_time) = self.order.get_mut(position) {
                *last_time = found;
            }
            found
        };
        self.members.get_mut(found)
    }
}

/// A column of lists: the elements of all of them, and where each list ends.
pub(super) struct ListColumn {
    arrow: FieldRef,
    elements: Box<Column>,
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ListColumn {
    pub(super) fn new(item: &Field, arrow: &FieldRef) -> Self {
        Self {
            arrow: arrow.clone(),
            elements: Box::new(Column::new(item, arrow)),
            ends: Vec::new(),
            nulls: NullBufferBuilder::new(0),
        }
    }

    /// Reads the array that begins here. When the page has no elements left to spend, the array is left over as a whole.
    pub(super) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        path: &Path<'_>,
    ) -> Result<u64, DecodeError> {
        let (start, rest) = (reader.scan.mark(), reader.rest.mark());
        let (mut array, mut first) = (ArrayHash::default(), true);
        let elements = self.elements.len();
        reader.scan.enter()?;
        for index in 0.. {
            if !reader.scan.element(&mut first)? {
                break;
            }
            if !reader.spend_element() {
                self.elements.truncate(elements);
                self.push_null();
                reader.scan.rewind(start);
                reader.rest.truncate(rest);
                return reader.leave(path);
            }
            array.element(reader.value(&mut self.elements, &Path::Element(path, index))?);
        }
        let end = i32::try_from(self.elements.len()).map_err(|_| DecodeError::BatchFull)?;
        self.ends.push(end);
        self.nulls.append_non_null();
        Ok(array.finish())
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn push_null(&mut self) {
        self.ends.push(self.end(self.len()));
        self.nulls.append_null();
    }

    pub(super) fn truncate(&mut self, len: usize) {
        // Also when no list is to go: the last one may have been left in the middle.
        self.elements
            .truncate(offset(self.end(len.min(self.len()))));
        self.ends.truncate(len);
        self.nulls.truncate(len);
    }

    pub(super) fn bytes(&self) -> usize {
        self.elements.bytes() + self.ends.len() * size_of::<i32>() + self.nulls.len() / 8
    }

    pub(super) fn finish(&mut self) -> ListArray {
        let ends = offsets(std::mem::take(&mut self.ends));
        ListArray::new(
            self.arrow.clone(),
            ends,
            self.elements.finish(),
            self.nulls.finish(),
        )
    }

    /// Returns where the first `len` lists end.
    fn end(&self, len: usize) -> i32 {
        len.checked_sub(1).map_or(0, |last| self.ends[last])
    }
}
