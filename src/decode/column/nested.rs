//! Columns of objects and of lists.

use arrow::array::{ListArray, NullBufferBuilder, StructArray};
use arrow::datatypes::{FieldRef, Fields};

use super::TypedColumn;
use crate::catalog::Field;
use crate::decode::error::DecodeError;
use crate::decode::hash;
use crate::decode::values::{offset, offsets};

/// A column of objects: one column for each declared member.
pub(in crate::decode) struct StructColumn {
    arrow: Fields,
    members: Vec<Member>,
    /// For each position in an object, the member that stood there last time. The objects that Kombo sends repeat their
    /// order.
    order: Vec<usize>,
    nulls: NullBufferBuilder,
}

/// One declared member of the objects.
pub(in crate::decode) struct Member {
    name: String,
    pub key_hash: u64,
    pub column: TypedColumn,
    /// Whether `_rest` holds the text of the member's last value as well, because the value came in another form.
    pub kept_form: bool,
}

impl StructColumn {
    pub(in crate::decode) fn new(fields: &[Field], arrow: &Fields) -> Self {
        let members = fields.iter().zip(arrow).map(|(field, arrow)| Member {
            name: field.name.clone(),
            key_hash: hash::string(field.name.as_bytes()),
            column: TypedColumn::new(field, arrow),
            kept_form: false,
        });
        Self {
            arrow: arrow.clone(),
            members: members.collect(),
            order: (0..fields.len()).collect(),
            nulls: NullBufferBuilder::new(0),
        }
    }

    /// Ends an object. Members without a value become null.
    pub(in crate::decode) fn close(&mut self) {
        let objects = self.len();
        for member in &mut self.members {
            if member.column.len() == objects {
                member.column.push_null();
            }
        }
        self.nulls.append_non_null();
    }

    /// Returns the column of a declared member.
    pub(in crate::decode) fn column(&self, name: &str) -> Option<&TypedColumn> {
        let member = self.members.iter().find(|member| member.name == name)?;
        Some(&member.column)
    }

    pub(in crate::decode) fn len(&self) -> usize {
        self.nulls.len()
    }

    pub(in crate::decode) fn push_null(&mut self) {
        for member in &mut self.members {
            member.column.push_null();
        }
        self.nulls.append_null();
    }

    pub(in crate::decode) fn truncate(&mut self, len: usize) {
        for member in &mut self.members {
            member.column.truncate(len);
        }
        self.nulls.truncate(len);
    }

    pub(in crate::decode) fn bytes(&self) -> usize {
        let members = self.members.iter().map(|member| member.column.bytes());
        members.sum::<usize>() + self.nulls.len() / 8
    }

    pub(in crate::decode) fn finish(&mut self) -> StructArray {
        let columns = self
            .members
            .iter_mut()
            .map(|member| member.column.finish())
            .collect();
        StructArray::new(self.arrow.clone(), columns, self.nulls.finish())
    }

    /// Returns the member with this name. Looks first at the position where the member stood last time.
    pub(in crate::decode) fn find(&mut self, position: usize, key: &[u8]) -> Option<&mut Member> {
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

/// A column of lists: the elements of all lists, and the end of each list.
pub(in crate::decode) struct ListColumn {
    arrow: FieldRef,
    pub elements: Box<TypedColumn>,
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ListColumn {
    pub(in crate::decode) fn new(item: &Field, arrow: &FieldRef) -> Self {
        Self {
            arrow: arrow.clone(),
            elements: Box::new(TypedColumn::new(item, arrow)),
            ends: Vec::new(),
            nulls: NullBufferBuilder::new(0),
        }
    }

    /// Ends a list whose elements were appended to [`ListColumn::elements`].
    pub(in crate::decode) fn close(&mut self) -> Result<(), DecodeError> {
        let end = i32::try_from(self.elements.len()).map_err(|_| DecodeError::BatchFull)?;
        self.ends.push(end);
        self.nulls.append_non_null();
        Ok(())
    }

    pub(in crate::decode) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(in crate::decode) fn push_null(&mut self) {
        self.ends.push(self.end(self.len()));
        self.nulls.append_null();
    }

    pub(in crate::decode) fn truncate(&mut self, len: usize) {
        // The elements are cut even when no list is removed: the last list may be incomplete.
        self.elements
            .truncate(offset(self.end(len.min(self.len()))));
        self.ends.truncate(len);
        self.nulls.truncate(len);
    }

    pub(in crate::decode) fn bytes(&self) -> usize {
        self.elements.bytes() + self.ends.len() * size_of::<i32>() + self.nulls.len() / 8
    }

    pub(in crate::decode) fn finish(&mut self) -> ListArray {
        let ends = offsets(std::mem::take(&mut self.ends));
        ListArray::new(
            self.arrow.clone(),
            ends,
            self.elements.finish(),
            self.nulls.finish(),
        )
    }

    /// Returns the end of the first `len` lists.
    fn end(&self, len: usize) -> i32 {
        len.checked_sub(1).map_or(0, |last| self.ends[last])
    }
}
