//! The shape of a record: for each key what is written, and how often the value is null.

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
    /// The key in quotes, with the colon.
    pub key: String,
    pub salt: u64,
    /// Whether the value may be null.
    pub nullable: bool,
    /// Whether the key may be missing.
    pub optional: bool,
    /// Percentage of null values.
    pub nulls: u64,
    /// Another enum of the object and the place of a value: without that value this one is null.
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
    /// A list of its own: the element, the least and the most length.
    List(Box<Recipe>, u64, u64),
    /// An object with one shape per tag. The tag of a tied union follows from the record that the union is about.
    Union {
        variants: Vec<(u64, Shape)>,
        tied: bool,
    },
    /// A plain value.
    Plain(Plain),
}
