//! Looks at the room on the disk of the lake, and reports when little is left.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::chore::{Beside, Chore};
use crate::delta::store::DiskRoom;
use crate::lake::Lake;
use crate::trouble::{Sight, TroubleKind};
use crate::words::bytes;

/// Interval between two looks. A look asks only the local file system.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Less room than this is little on any disk.
const LITTLE: u64 = 1 << 30;

/// Less room than this is little when it is less than one part in twenty of the disk as well.
const LITTLE_OF_LARGE: u64 = 10 << 30;
const PARTS: u64 = 20;

/// The look at the disk of a lake.
pub(super) struct DiskChore {
    lake: Lake,
}

impl DiskChore {
    pub(super) fn new(lake: Lake) -> Self {
        Self { lake }
    }
}

impl Chore for DiskChore {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn first_due(&self) -> Duration {
        Duration::ZERO
    }

    fn run<'a>(&'a mut self, beside: Beside<'a>) -> BoxFuture<'a, Duration> {
        async move {
            let sight = self.lake.disk_room().and_then(little);
            beside.troubles.see(TroubleKind::DiskNearlyFull, sight);
            LOOK_EVERY
        }
        .boxed()
    }
}

/// Returns what is seen of a disk with little room.
fn little(room: DiskRoom) -> Option<Sight> {
    let DiskRoom { free, total } = room;
    let is_little = free < LITTLE || free < LITTLE_OF_LARGE && free < total / PARTS;
    is_little.then(|| Sight::of(format!("{} of {} are free", bytes(free), bytes(total))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_a_gigabyte_or_a_twentieth() {
        let is_little = |free: u64, total: u64| {
            let [free, total] = [free, total].map(|gigabytes| gigabytes << 30);
            little(DiskRoom { free, total }).is_some()
        };
        assert!(is_little(0, 8));
        assert!(!is_little(1, 8), "a small disk");
        assert!(is_little(4, 100));
        assert!(!is_little(5, 100));
        assert!(!is_little(10, 1_000), "a large disk");
    }
}
