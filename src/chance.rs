//! Random choices and fresh names: all of a program, from one place.
//!
//! Names such as those of data files must differ from those of every other process, so they are random UUIDs. A simulator
//! needs the same names in each run of a seed: [`seeded`] makes them follow from the seed.

use std::cell::Cell;

use uuid::{Builder, Uuid};

thread_local! {
    static SEEDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a program. Until it returns, the random choices and the fresh names that are made on this thread follow from a
/// seed. Never use it where another process writes to the same lake with the same seed: the names would be the same.
pub fn seeded<T>(seed: u64, program: impl FnOnce() -> T) -> T {
    let _before = SeedBefore {
        was_seeded: SEEDED.replace(true),
        seed: fastrand::get_seed(),
    };
    fastrand::seed(seed);
    program()
}

/// Returns a program that may run on another thread. If the random choices of this thread follow from a seed, those of the
/// program follow from it, too.
pub(crate) fn heir<T>(program: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let seed = SEEDED.get().then(|| fastrand::u64(..));
    move || match seed {
        Some(seed) => seeded(seed, program),
        None => program(),
    }
}

/// Restores what was set before, also after a panic.
struct SeedBefore {
    was_seeded: bool,
    seed: u64,
}

impl Drop for SeedBefore {
    fn drop(&mut self) {
        SEEDED.set(self.was_seeded);
        fastrand::seed(self.seed);
    }
}

/// Returns a name that nobody else has: a random UUID (RFC 9562, version 4).
pub(crate) fn fresh_uuid() -> Uuid {
    if SEEDED.get() {
        let mut bytes = [0; 16];
        fastrand::fill(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    } else {
        Uuid::new_v4()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> [Uuid; 2] {
        [fresh_uuid(), fresh_uuid()]
    }

    #[test]
    fn names_follow_from_a_seed_and_otherwise_from_none() {
        let first = seeded(7, names);
        assert_ne!(first[0], first[1]);
        assert_eq!(first[0].get_version_num(), 4);
        assert_eq!(first, seeded(7, names));
        assert_ne!(first, seeded(8, names));
        fastrand::seed(7);
        assert_ne!(names(), names());
        assert_ne!(names(), first);
    }

    #[test]
    fn another_thread_goes_on_with_the_seed() {
        let elsewhere = || std::thread::spawn(heir(names)).join().expect("names");
        let first = seeded(7, elsewhere);
        assert_eq!(first, seeded(7, elsewhere));
        assert_ne!(
            first,
            seeded(7, names),
            "not the names of this thread again"
        );
        assert_ne!(first, elsewhere(), "without a seed");
    }

    #[test]
    fn what_was_set_before_comes_back() {
        let nested = || (fresh_uuid(), seeded(1, fresh_uuid), fresh_uuid());
        let plain = seeded(7, names);
        let (first, _, second) = seeded(7, nested);
        assert_eq!([first, second], plain);
    }
}
