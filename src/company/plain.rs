//! What a plain value is: the kinds of names, amounts, instants and free JSON.

use super::words::Words;

/// A plain value.
#[derive(Debug)]
pub(super) enum Plain {
    /// Always this JSON.
    Constant(String),
    /// One of these, as JSON; an open enum takes others, too.
    Choice { texts: Vec<String>, open: bool },
    /// The next of these for each record, as JSON.
    InTurns(Vec<String>),
    /// A text by its meaning.
    Text(Wording),
    /// A whole number up to this.
    Whole(u64),
    /// A number: from, to, decimals.
    Number(u64, u64, u32),
    /// True or false.
    Flag,
    /// A timestamp.
    Instant(InstantKind),
    /// `YYYY-MM-DD`.
    Day(InstantKind),
    /// A date as a timestamp at midnight.
    Midnight(InstantKind),
    /// Any JSON.
    Free(Free),
}

/// Texts by what they mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wording {
    FirstName,
    LastName,
    FullName,
    Email(&'static str),
    /// One of a list, ready for JSON.
    OneOf(Words),
    /// Several of a list, one after the other.
    Prose(Words, u64),
    /// A pattern in which `#` is a digit and `@` a capital letter.
    Pattern(&'static str),
    /// A link that ends in a number.
    Link(&'static str),
    /// An id that nothing is found by.
    LooseId,
}

/// Instants by what they mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum InstantKind {
    Created,
    Updated,
    /// Some time after the record was made, perhaps in the future.
    Start,
    /// After [`InstantKind::Start`].
    End,
    /// When the person was born.
    Birth,
}

/// Free JSON by where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Free {
    /// `custom_fields`.
    Custom,
    /// `remote_data`.
    Remote,
    /// Any value.
    Any,
    /// A list of texts or of booleans.
    Options,
}
