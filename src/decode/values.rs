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

/// The most bytes that a vector gets ahead, because the batch before had as many.
const MOST_AHEAD: usize = 4 << 20;

/// Values of a fixed size.
pub(super) struct Fixed<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
    last_len: usize,
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

    /// Makes room for as many values as the last batch had.
    pub(super) fn begin(&mut self) {
        self.values.reserve(ahead::<T>(self.last_len));
    }

    pub(super) fn finish(&mut self) -> (Vec<T>, Option<NullBuffer>) {
        self.last_len = self.values.len();
        let values = std::mem::take(&mut self.values);
        (without_spare(values), self.nulls.finish())
    }
}

impl<T> Default for Fixed<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            nulls: NullBufferBuilder::new(0),
            last_len: 0,
        }
    }
}

/// Texts, one after the other in one buffer.
pub(super) struct TextColumn {
    content: Vec<u8>,
    ends: Ends,
    nulls: NullBufferBuilder,
    last_bytes: usize,
}

impl TextColumn {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), DecodeError> {
        self.ends.push(self.content.len() + text.len())?;
        self.content.extend_from_slice(text.as_bytes());
        self.nulls.append_non_null();
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        self.ends.repeat();
        self.nulls.append_null();
    }

    /// Returns the last text, which is empty for null.
    pub(super) fn last(&self) -> &[u8] {
        &self.content[self.ends.end_of(self.len().saturating_sub(1))..]
    }

    pub(super) fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.content.truncate(self.ends.end_of(len));
            self.ends.truncate(len);
            self.nulls.truncate(len);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.content.len() + self.ends.bytes() + self.nulls.len() / 8
    }

    /// Makes room for as much as the last batch had.
    pub(super) fn begin(&mut self) {
        self.content.reserve(ahead::<u8>(self.last_bytes));
        self.ends.begin();
    }

    pub(super) fn finish(&mut self) -> StringArray {
        self.last_bytes = self.content.len();
        let content = Buffer::from(without_spare(std::mem::take(&mut self.content)));
        StringArray::new(self.ends.finish(), content, self.nulls.finish())
    }
}

impl Default for TextColumn {
    fn default() -> Self {
        Self {
            content: Vec::new(),
            ends: Ends::default(),
            nulls: NullBufferBuilder::new(0),
            last_bytes: 0,
        }
    }
}

/// The ends of values of different lengths: Arrow's offsets, which begin with zero.
pub(super) struct Ends {
    offsets: Vec<i32>,
    last_len: usize,
}

impl Ends {
    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Appends the end of a value. The ends never fall.
    pub(super) fn push(&mut self, end: usize) -> Result<(), DecodeError> {
        let end = i32::try_from(end).map_err(|_| DecodeError::BatchFull)?;
        self.offsets.push(end);
        Ok(())
    }

    /// Appends an empty value.
    pub(super) fn repeat(&mut self) {
        self.offsets.push(self.offsets[self.len()]);
    }

    /// Returns the end of the first `len` values.
    pub(super) fn end_of(&self, len: usize) -> usize {
        usize::try_from(self.offsets[len]).expect("ends are never negative")
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len.saturating_add(1));
    }

    pub(super) fn bytes(&self) -> usize {
        self.len() * size_of::<i32>()
    }

    /// Makes room for as many values as the last batch had.
    pub(super) fn begin(&mut self) {
        self.offsets.reserve(ahead::<i32>(self.last_len));
    }

    pub(super) fn finish(&mut self) -> OffsetBuffer<i32> {
        self.last_len = self.len();
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        OffsetBuffer::new(ScalarBuffer::from(without_spare(offsets)))
    }
}

impl Default for Ends {
    fn default() -> Self {
        Self {
            offsets: vec![0],
            last_len: 0,
        }
    }
}

/// Gives back room that a batch reserved and did not fill. The first batch of a fetch grows by doubling, and most fetches
/// of small tables have no other batch.
fn without_spare<T>(mut values: Vec<T>) -> Vec<T> {
    if values.capacity() > values.len() + values.len() / 4 {
        values.shrink_to_fit();
    }
    values
}

/// Returns for how many values to make room after a batch of `last` values. Batches end by their size, so the next one
/// has about as many. An eighth more saves a copy when it has a few more.
fn ahead<T>(last: usize) -> usize {
    (last + last / 8).min(MOST_AHEAD / size_of::<T>())
}
