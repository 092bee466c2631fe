//! Which build of the program this is.
//!
//! The build script `src/build/version.rs` says where commit and date come from.

/// Version, commit and date of a build.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BuildInfo {
    /// The version of the crate, such as `0.1.0`.
    pub version: &'static str,
    /// The first ten digits of the commit, with `-dirty` behind them if the sources differ from it. Empty if the build
    /// knew no commit.
    pub commit: &'static str,
    /// The day of the build in UTC, such as `2026-11-30`.
    pub date: &'static str,
    /// All of it, as `--version` prints it: `0.1.0 (3134f0b1c2 2026-11-30)`.
    pub text: &'static str,
}

/// This build.
pub const BUILD_INFO: BuildInfo = BuildInfo {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("KOMBO_BUILD_COMMIT"),
    date: env!("KOMBO_BUILD_DATE"),
    text: env!("KOMBO_BUILD_TEXT"),
};
