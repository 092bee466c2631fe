//! The cure for a table that cannot be read. A test has followed each sentence.

/// The cure for a log entry that is missing or damaged, and for a data file that is missing.
pub(super) const OF_DAMAGE: &str = "restore the named file from a backup; without a backup, stop the service and run `kombo-source repair`, which lists what it would change and what is lost, then run it again with --yes";

/// The cure for a data file that is there and does not hold what was written.
pub(super) const OF_CONTENT: &str = "restore the named file from a backup; without a backup, stop the service and run `kombo-source repair --deep`, which lists what it would change and what is lost, then run it again with --yes";

/// The cure for a repair that stopped halfway.
pub(super) const OF_REPAIR: &str = "run `kombo-source repair --yes`: it goes on where it stopped";
