//! The shape of a record: for each key what to write, by what chance nothing.

use super::plain::Plain;

/// An object.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub columns: Vec<Property>,
}

/// One key of an object.
#[derive(Debug)]
pub(super) struct Property {
    pub name: String,
    /// The key as it is written, colon included.
    pub key: String,
    pub salt: u64,
    /// Null may be written.
    pub nullable: bool,
    /// The key may be left out.
    pub optional: bool,
    /// How many percent of the values are null.
    pub nulls: u64,
    /// The value is there only where another enum of the object has this value.
    pub when: Option<(Box<Property>, usize)>,
    pub recipe: Recipe,
}

/// How the value of a key is made.
#[derive(Debug)]
pub(super) enum Recipe {
    /// The record's id.
    Id,
    /// The id in the connected tool.
    RemoteId,
    /// `changed_at` of the record.
    ChangedAt,
    /// `remote_deleted_at` of the record.
    DeletedAt,
    /// A copy of a related record.
    One(usize, Shape),
    /// The id of a related record.
    IdOf(usize),
    /// The name of a related record.
    NameOf(usize, Box<Property>),
    /// Copies of related records, or objects about them.
    Many(usize, Box<Recipe>),
    /// An object of its own.
    Struct(Shape),
    /// A list of its own: its element, and how long it may be.
    List(Box<Recipe>, u64, u64),
    /// An object with one shape per tag. A tied one takes its tag from the record it is about.
    Union {
        variants: Vec<(u64, Shape)>,
        tied: bool,
    },
    /// A plain value.
    Plain(Plain),
}
