//! The only source of chance of the twin: a mix of numbers that is the same on every machine and in every build.

/// Mixes a second number into the first (the finaliser of `SplitMix64`).
pub(super) const fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Turns a name into a number (FNV-1a, then mixed).
pub(super) const fn salt(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01B3);
        at += 1;
    }
    mix(hash, bytes.len() as u64)
}

/// Chooses one of a list.
pub(super) fn choose<T: Copy>(list: &[T], roll: u64) -> T {
    list[at(list.len(), roll)]
}

/// Chooses an index below a length.
pub(super) fn at(length: usize, roll: u64) -> usize {
    let length = u64::try_from(length).expect("lists are short");
    usize::try_from(below(length, roll)).expect("below a usize")
}

/// Chooses a number below a limit, without the bias of a remainder. Returns zero when the limit is zero.
pub(super) fn below(limit: u64, roll: u64) -> u64 {
    let product = u128::from(limit) * u128::from(roll);
    u64::try_from(product >> 64).expect("the high half of a product has 64 bits")
}

/// Returns whether an event of this many percent happens.
pub(super) fn percent(chance: u64, roll: u64) -> bool {
    below(100, roll) < chance
}

/// Mixes a number so that [`unscramble`] restores it: a bijection for each key.
pub(super) const fn scramble(number: u64, key: u64) -> u64 {
    let mut z = number ^ key;
    z = (z ^ (z >> 32)).wrapping_mul(MULTIPLIER);
    z = (z ^ (z >> 32)).wrapping_mul(MULTIPLIER);
    z ^ (z >> 32)
}

/// Restores the number that [`scramble`] mixed.
pub(super) const fn unscramble(number: u64, key: u64) -> u64 {
    let mut z = number ^ (number >> 32);
    z = z.wrapping_mul(INVERSE);
    z = (z ^ (z >> 32)).wrapping_mul(INVERSE);
    z ^ (z >> 32) ^ key
}

const MULTIPLIER: u64 = 0xD6E8_FEB8_6659_FD93;
const INVERSE: u64 = inverse(MULTIPLIER);

/// Returns the inverse of an odd number modulo 2^64, by Newton's iteration.
const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut round = 0;
    while round < 6 {
        x = x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x)));
        round += 1;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrambled_number_comes_back() {
        for number in (0..1000).chain([u64::MAX, 1 << 63]) {
            let key = mix(number, 7);
            assert_eq!(unscramble(scramble(number, key), key), number);
        }
    }

    #[test]
    fn a_choice_below_a_limit_reaches_all_of_it_and_no_more() {
        let mut seen = [0_u32; 7];
        for number in 0..7000 {
            seen[at(7, mix(1, number))] += 1;
        }
        assert!(
            seen.iter().all(|count| (800..1200).contains(count)),
            "{seen:?}"
        );
        assert_eq!(below(7, u64::MAX), 6);
        assert_eq!(below(0, u64::MAX), 0);
    }
}
