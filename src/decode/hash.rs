//! The hash of a record: `_hash`.
//!
//! The hash tells whether two observations of a row show the same record. So the hash must be equal for ever, on every
//! machine, and for every version of the schema. Therefore it is computed from the JSON and never from the columns:
//!
//! - `x(bytes, seed)` is XXH3 with 64 bits. Numbers enter as 8 bytes, little endian. `a ++ b` means `b` after `a`.
//! - string: `x(content, 1)`. The content is decoded to UTF-8; a lone surrogate becomes the three bytes of its code
//!   unit (WTF-8).
//! - number: `x(text, 2)`. The text is taken as sent, so `1` and `1.0` differ.
//! - `null`, `true`, `false`: `x(literal, 3)`.
//! - array: begins with `h = 0`, then `h = x(h ++ element, 4)` for each element in order, then `x(h ++ length, 5)`.
//! - object: the wrapping sum of `x(key ++ value, 6)` over the members, with the key hashed as a string, then `x(sum ++
//!   number of members, 7)`. With a sum the order of keys does not matter, and each of two duplicate keys counts.
//! - row: the hash of its object without the top-level members that are null. So a new nullable column changes no hash.
//!
//! `_hash` holds the 64 bits as a signed number, because all Parquet readers support signed numbers.

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

/// Collects the elements of an array.
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

/// Collects the members of an object, in any order.
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
