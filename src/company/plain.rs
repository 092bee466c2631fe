//! What a plain value is: the kinds of names, amounts, instants and free JSON.

use super::choice::Choice;
use super::words::Words;

/// A plain value.
#[derive(Debug)]
pub(super) enum Plain {
    /// Always this JSON.
    Constant(String),
    /// One of the values of an enum.
    Choice(Choice),
    /// One of these, as JSON, in turn by the index of the record.
    InTurns(Vec<String>),
    /// A text of this kind.
    Text(Wording),
    /// An integer from zero to this.
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

/// Kinds of texts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wording {
    FirstName,
    LastName,
    FullName,
    Email(&'static str),
    /// One of a list, ready for JSON.
    OneOf(Words),
    /// Several texts of a list, one after the other.
    Prose(Words, u64),
    /// A pattern in which `#` is a digit and `@` a capital letter.
    Pattern(&'static str),
    /// A name for a login, made of the person's names.
    Username,
    /// A link that ends in a number.
    Link(&'static str),
    /// An id that belongs to no record.
    LooseId,
    /// A part of an address. All parts of one address are of the same town.
    Address(AddressPart),
}

/// The parts of an address that go by its town.
#[derive(Clone, Copy, Debug)]
pub(super) enum AddressPart {
    City,
    State,
    Country,
    Street,
    /// Street and city on one line.
    Line,
}

/// Kinds of instants.
#[derive(Clone, Copy, Debug)]
pub(super) enum InstantKind {
    Created,
    Updated,
    /// Between the record's creation and its last change before the start.
    Past,
    /// Between [`InstantKind::Past`] and the last change before the start.
    PastEnd,
    /// Within the first month of the record, and in the past.
    Early,
    /// The first day at work: in the future for who is hired and has not begun.
    FirstDay,
    /// The last day at work: after the first one, and in the past.
    LastDay,
    /// Within so many days after the record's creation: a little in the future where the record is young.
    Planned {
        days: u32,
    },
    /// Between so many minutes after the [`InstantKind::Planned`] instant with the same number of days.
    After {
        days: u32,
        least_mins: u64,
        most_mins: u64,
    },
    /// When the person was born.
    Birth,
}

/// Kinds of free JSON.
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
