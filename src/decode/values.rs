//! The vectors behind flat columns: the values, and which of them are null.

use arrow::array::{NullBufferBuilder, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::error::DecodeError;

/// How a value fits its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The column gives the value back as it was sent.
    Exact,
    /// The column holds the instant but gives it back in another form, so the text has to be kept.
    OtherForm,
    /// The column cannot hold the value and has null.
    None,
}

/// Values of a fixed size.
pub(super) struct Fixed<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
}

impl<T: Default + Copy> Fixed<T> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Appends a value or null. Returns whether it was a value.
    pub(super) fn push(&mut self, value: Option<T>) -> bool {
        self.values.push(value.unwrap_or_default());
        self.nulls.append(value.is_some());
        value.is_some()
    }

    /// Appends `exact`, a value that is given back as sent. Otherwise appends `other`, the value in another form, or
    /// null.
    pub(super) fn push_either(
        &mut self,
        exact: Option<T>,
        other: impl FnOnce() -> Option<T>,
    ) -> Fit {
        if exact.is_some() {
            self.push(exact);
            Fit::Exact
        } else if self.push(other()) {
            Fit::OtherForm
        } else {
            Fit::None
        }
    }

    /// Returns the last value. Returns `None` for null.
    pub(super) fn last(&self) -> Option<T> {
        let last = self.values.len().checked_sub(1)?;
        self.nulls.is_valid(last).then(|| self.values[last])
    }

    pub(super) fn push_null(&mut self) {
        self.push(None);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.nulls.truncate(len);
    }

    pub(super) fn bytes(&self) -> usize {
        self.values.len() * size_of::<T>() + self.nulls.len() / 8
    }

    pub(super) fn finish(&mut self) -> (Vec<T>, Option<NullBuffer>) {
        (std::mem::take(&mut self.values), self.nulls.finish())
    }
}

impl<T> Default for Fixed<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            nulls: NullBufferBuilder::new(0),
        }
    }
}

/// Texts, one after the other in one buffer.
pub(super) struct TextColumn {
    content: Vec<u8>,
    /// The end of each text in the buffer.
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl TextColumn {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), DecodeError> {
        let end =
            i32::try_from(self.content.len() + text.len()).map_err(|_| DecodeError::BatchFull)?;
        self.content.extend_from_slice(text.as_bytes());
        self.ends.push(end);
        self.nulls.append_non_null();
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        self.ends.push(self.end(self.len()));
        self.nulls.append_null();
    }

    /// Returns the last text, which is empty for null.
    pub(super) fn last(&self) -> &[u8] {
        let start = self.end(self.len().saturating_sub(1));
        &self.content[offset(start)..]
    }

    pub(super) fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.content.truncate(offset(self.end(len)));
            self.ends.truncate(len);
            self.nulls.truncate(len);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.content.len() + self.ends.len() * size_of::<i32>() + self.nulls.len() / 8
    }

    pub(super) fn finish(&mut self) -> StringArray {
        let ends = std::mem::take(&mut self.ends);
        let content = Buffer::from(std::mem::take(&mut self.content));
        StringArray::new(offsets(ends), content, self.nulls.finish())
    }

    /// Returns the end of the first `len` texts.
    fn end(&self, len: usize) -> i32 {
        len.checked_sub(1).map_or(0, |last| self.ends[last])
    }
}

impl Default for TextColumn {
    fn default() -> Self {
        Self {
            content: Vec::new(),
            ends: Vec::new(),
            nulls: NullBufferBuilder::new(0),
        }
    }
}

/// Makes Arrow's offsets, which begin with zero, from the ends of values.
pub(super) fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

/// Converts an end that this file has written.
pub(super) fn offset(end: i32) -> usize {
    usize::try_from(end).expect("ends are never negative")
}
