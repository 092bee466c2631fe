//! Ids in Kombo's form: 24 characters of base58. An id contains the scrambled index of the record, so that the twin finds
//! a record by its id without a table.

use super::hash::{mix, scramble, unscramble};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Characters that hold the scrambled index: 58^11 is more than 2^64.
const INDEX_CHARS: usize = 11;

/// Characters of an id.
pub(super) const ID_CHARS: usize = 24;

/// Appends the id of a record.
pub(super) fn push_id(out: &mut String, space: u64, index: u64) {
    push_digits(out, scramble(index, space), INDEX_CHARS);
    push_digits(out, mix(space, index), 10);
    push_digits(out, mix(!space, index), ID_CHARS - INDEX_CHARS - 10);
}

/// Returns the id of a record.
pub(super) fn id(space: u64, index: u64) -> String {
    let mut id = String::with_capacity(ID_CHARS);
    push_id(&mut id, space, index);
    id
}

/// Returns an id that belongs to no record.
pub(super) fn loose_id(roll: u64) -> String {
    id(roll, 0)
}

/// Returns the index of a record by its id; `None` if the id is of another space or its index is not below the count.
pub(super) fn find(text: &str, space: u64, count: u64) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != ID_CHARS {
        return None;
    }
    let scrambled = bytes[..INDEX_CHARS]
        .iter()
        .rev()
        .try_fold(0_u64, |value, byte| {
            let digit = ALPHABET.iter().position(|letter| letter == byte)?;
            value.checked_mul(58)?.checked_add(digit as u64)
        })?;
    let index = unscramble(scrambled, space);
    (index < count && id(space, index) == text).then_some(index)
}

/// Appends base58 digits, the lowest first.
fn push_digits(out: &mut String, mut number: u64, count: usize) {
    for _ in 0..count {
        let digit = usize::try_from(number % 58).expect("below 58");
        out.push(char::from(ALPHABET[digit]));
        number /= 58;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_by_its_id_and_by_no_other() {
        for index in [0, 1, 57, 58, 399_999] {
            let text = id(9, index);
            assert_eq!(text.len(), ID_CHARS);
            assert!(text.bytes().all(|b| ALPHABET.contains(&b)), "{text}");
            assert_eq!(find(&text, 9, 400_000), Some(index));
            assert_eq!(find(&text, 9, index), None, "beyond the count");
            assert_eq!(find(&text, 8, 400_000), None, "another space");
        }
        let mut forged = id(9, 5);
        forged.replace_range(20..21, if &forged[20..21] == "z" { "y" } else { "z" });
        assert_eq!(find(&forged, 9, 400_000), None);
        assert_eq!(find("../../x", 9, 400_000), None);
    }
}
