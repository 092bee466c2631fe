//! Columns of objects and of lists.

use arrow::array::{ListArray, NullBufferBuilder, StructArray};
use arrow::datatypes::{FieldRef, Fields};

use super::TypedColumn;
use crate::catalog::Field;
use crate::decode::error::DecodeError;
use crate::decode::hash;
use crate::decode::values::Ends;

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
    pub name: String,
    /// The key as Kombo sends it after another member: `,"name":`.
    sent_key: String,
    pub key_hash: u64,
    pub column: TypedColumn,
    /// Whether `_rest` holds the text of the member's last value as well, because the value came in another form.
    pub kept_form: bool,
}

impl StructColumn {
    pub(in crate::decode) fn new(fields: &[Field], arrow: &Fields) -> Self {
        let members = fields.iter().zip(arrow).map(|(field, arrow)| Member {
            name: field.name.clone(),
            sent_key: format!(",\"{}\":", field.name),
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

    pub(in crate::decode) fn begin(&mut self) {
        for member in &mut self.members {
            member.column.begin();
        }
    }

    pub(in crate::decode) fn finish(&mut self) -> StructArray {
        let columns = self
            .members
            .iter_mut()
            .map(|member| member.column.finish())
            .collect();
        StructArray::new(self.arrow.clone(), columns, self.nulls.finish())
    }

    /// Returns the member that stood at this position of an object last time, and its key as Kombo sends it.
    pub(in crate::decode) fn expected(&self, position: usize) -> Option<(usize, &str)> {
        let expected = *self.order.get(position)?;
        Some((expected, &self.members.get(expected)?.sent_key))
    }

    /// Returns the member with a number that [`Self::expected`] or [`Self::find`] returned.
    pub(in crate::decode) fn member(&mut self, number: usize) -> &mut Member {
        &mut self.members[number]
    }

    /// Returns the number of the member with this name. Looks first at the position where the member stood last time.
    pub(in crate::decode) fn find(&mut self, position: usize, key: &[u8]) -> Option<usize> {
        let is_key = |member: &Member| member.name.as_bytes() == key;
        let guess = self.order.get(position).copied();
        let guess = guess.filter(|guess| self.members.get(*guess).is_some_and(is_key));
        if guess.is_some() {
            return guess;
        }
        let found = self.members.iter().position(is_key)?;
        if let Some(last_time) = self.order.get_mut(position) {
            *last_time = found;
        }
        Some(found)
    }
}

/// A column of lists: the elements of all lists, and the end of each list.
pub(in crate::decode) struct ListColumn {
    arrow: FieldRef,
    pub elements: Box<TypedColumn>,
    ends: Ends,
    nulls: NullBufferBuilder,
}

impl ListColumn {
    pub(in crate::decode) fn new(item: &Field, arrow: &FieldRef) -> Self {
        Self {
            arrow: arrow.clone(),
            elements: Box::new(TypedColumn::new(item, arrow)),
            ends: Ends::default(),
            nulls: NullBufferBuilder::new(0),
        }
    }

    /// Ends a list whose elements were appended to [`ListColumn::elements`].
    pub(in crate::decode) fn close(&mut self) -> Result<(), DecodeError> {
        self.ends.push(self.elements.len())?;
        self.nulls.append_non_null();
        Ok(())
    }

    pub(in crate::decode) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(in crate::decode) fn push_null(&mut self) {
        self.ends.repeat();
        self.nulls.append_null();
    }

    pub(in crate::decode) fn truncate(&mut self, len: usize) {
        // The elements are cut even when no list is removed: the last list may be incomplete.
        let elements = self.ends.end_of(len.min(self.len()));
        self.elements.truncate(elements);
        self.ends.truncate(len);
        self.nulls.truncate(len);
    }

    pub(in crate::decode) fn bytes(&self) -> usize {
        self.elements.bytes() + self.ends.bytes() + self.nulls.len() / 8
    }

    pub(in crate::decode) fn begin(&mut self) {
        self.elements.begin();
        self.ends.begin();
    }

    pub(in crate::decode) fn finish(&mut self) -> ListArray {
        ListArray::new(
            self.arrow.clone(),
            self.ends.finish(),
            self.elements.finish(),
            self.nulls.finish(),
        )
    }
}
