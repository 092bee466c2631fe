//! The hash of a record: `_hash`.
//!
//! It tells whether two observations of a row are the same record, so it has to be the same for ever, on every machine,
//! and whatever the schema knew when the row was decoded. Hence it is taken of the JSON, never of columns:
//!
//! * `x(bytes, seed)` is XXH3 with 64 bits; numbers enter it as 8 bytes, little endian; `a ++ b` is one after the other.
//! * string: `x(content, 1)`, the content decoded to UTF-8; a lone surrogate as the three bytes of its code unit (WTF-8).
//! * number: `x(text, 2)`, the text as sent, so that `1` and `1.0` differ.
//! * `null`, `true`, `false`: `x(literal, 3)`.
//! * array: from 0, `h = x(h ++ element, 4)` for each element in order, at last `x(h ++ length, 5)`.
//! * object: the wrapping sum of `x(key ++ value, 6)` over the members, the key hashed as a string, at last
//!   `x(sum ++ number of members, 7)`. The sum makes the order of keys irrelevant and lets duplicate keys all count.
//! * row: its object, without top-level members that are null, so that a new nullable column makes no row differ.
//!
//! `_hash` holds the 64 bits as a signed number, because Parquet readers agree on those.

use xxhash_rust::xxh3::xxh3_64_with_seed;

const STRING: u64 = 1;
const NUMBER: u64 = 2;
const LITERAL: u64 = 3;
const ELEMENT: u64 = 4;
const ARRAY: u64 = 5;
const MEMBER: u64 = 6;
const OBJECT: u64 = 7;

/// Returns the `_hash` of a record that has an id and no other value.
#[must_use]
pub fn hash_of_id(id: &str) -> i64 {
    let mut record = ObjectHash::default();
    record.member(string(b"id"), string(id.as_bytes()));
    record.finish().cast_signed()
}

/// Hashes the content of a string, or of a key.
pub(super) fn string(content: &[u8]) -> u64 {
    xxh3_64_with_seed(content, STRING)
}

/// Hashes a number by its text.
pub(super) fn number(text: &str) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), NUMBER)
}

/// Hashes `null`, `true` or `false`.
pub(super) fn literal(text: &str) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), LITERAL)
}

/// Gathers the elements of an array.
#[derive(Default)]
pub(super) struct ArrayHash {
    folded: u64,
    length: u64,
}

impl ArrayHash {
    pub(super) fn element(&mut self, value: u64) {
        self.folded = pair(self.folded, value, ELEMENT);
        self.length += 1;
    }

    pub(super) fn finish(&self) -> u64 {
        pair(self.folded, self.length, ARRAY)
    }
}

/// Gathers the members of an object, in any order.
#[derive(Default)]
pub(super) struct ObjectHash {
    sum: u64,
    members: u64,
}

impl ObjectHash {
    pub(super) fn member(&mut self, key: u64, value: u64) {
        self.sum = self.sum.wrapping_add(pair(key, value, MEMBER));
        self.members += 1;
    }

    pub(super) fn finish(&self) -> u64 {
        pair(self.sum, self.members, OBJECT)
    }
}

fn pair(first: u64, second: u64, seed: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_le_bytes());
    bytes[8..].copy_from_slice(&second.to_le_bytes());
    xxh3_64_with_seed(&bytes, seed)
}
