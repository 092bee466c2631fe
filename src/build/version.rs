//! The commit and the date of a build, for `--version` and the metrics.
//!
//! | What | Source, the first that answers |
//! | --- | --- |
//! | commit | `$KOMBO_BUILD_COMMIT`; git, if git tracks these files; `.cargo_vcs_info.json` of a packaged crate; none |
//! | date | `$SOURCE_DATE_EPOCH` (seconds since 1970, for reproducible builds); today, in UTC |
//!
//! `-dirty` behind a commit says that what the binary is built from differs from that commit.
//!
//! The script watches what the binary is built from, and, for releases, the position of git. A debug build keeps the commit
//! at which its sources last changed, because a commit alone must not cost a developer a build.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the binary is built from.
const BUILT_FROM: &[&str] = &["Cargo.toml", "Cargo.lock", "src", "schemas"];
/// Sets the commit where git is not at hand, as in a container.
const COMMIT: &str = "KOMBO_BUILD_COMMIT";
/// Sets the date: <https://reproducible-builds.org/specs/source-date-epoch/>.
const EPOCH: &str = "SOURCE_DATE_EPOCH";
/// How many digits of a commit are shown: enough to be unique in a large repository.
const DIGITS: usize = 10;

/// Tells cargo what to compile in, and when to ask again.
pub(crate) fn tell() {
    let folder = PathBuf::from(variable("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let version = variable("CARGO_PKG_VERSION").expect("cargo sets it");
    let git = Git::tracking(&folder);
    let commit = variable(COMMIT)
        .map(named)
        .or_else(|| git.as_ref()?.commit())
        .or_else(|| packaged(&folder));
    let date = date();
    let known: Vec<&str> = commit.as_deref().into_iter().chain([&*date]).collect();
    println!(
        "cargo:rustc-env=KOMBO_BUILD_TEXT={version} ({})",
        known.join(" ")
    );
    println!(
        "cargo:rustc-env=KOMBO_BUILD_COMMIT={}",
        commit.unwrap_or_default()
    );
    println!("cargo:rustc-env=KOMBO_BUILD_DATE={date}");
    watch(&folder, git.as_ref());
}

/// Says when the script has to run again. Cargo runs a script at each build if it watches a file that does not exist.
fn watch(folder: &Path, git: Option<&Git>) {
    println!("cargo:rerun-if-env-changed={COMMIT}");
    println!("cargo:rerun-if-env-changed={EPOCH}");
    let release = variable("PROFILE").is_some_and(|profile| profile == "release");
    let position = git.filter(|_| release).map(Git::position);
    let built_from = BUILT_FROM.iter().map(|name| folder.join(name));
    for path in built_from.chain(position.into_iter().flatten()) {
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
}

/// Returns an environment variable that is set and not empty. A container passes on an argument that nobody gave as an
/// empty one.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Checks the commit that someone gave. A line break would be a second instruction to cargo.
fn named(commit: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    assert!(
        commit.len() <= 64 && commit.chars().all(plain),
        "{COMMIT} is no commit; give what `git rev-parse HEAD` prints"
    );
    let full = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
    if full {
        commit[..DIGITS].to_owned()
    } else {
        commit
    }
}

/// Returns the commit that `cargo package` wrote into the crate.
fn packaged(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join(".cargo_vcs_info.json")).ok()?;
    let (_, after) = text.split_once("\"sha1\"")?;
    let sha = after.split('"').nth(1)?;
    let commit = sha.get(..DIGITS)?;
    let hex = commit.chars().all(|c| c.is_ascii_hexdigit());
    let dirty = if after.contains("\"dirty\": true") {
        "-dirty"
    } else {
        ""
    };
    hex.then(|| format!("{commit}{dirty}"))
}

/// Returns the date of the build, in UTC.
fn date() -> String {
    let seconds = variable(EPOCH).map_or_else(now, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{EPOCH} is no number of seconds since 1970"))
    });
    let (year, month, day) = calendar(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build has no clock of the crate"
)]
fn now() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .expect("the clock is later than 1970")
        .as_secs()
}

/// Returns the date of a day, counted from 1970-01-01. Years begin in March here, so that a leap day is the last day of
/// its year.
fn calendar(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01 to 1970-01-01
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day - first + 1)
}

/// The repository that tracks these files.
struct Git {
    folder: PathBuf,
}

impl Git {
    /// Returns `None` without git, and for files that lie in a repository without being part of it: an unpacked crate in
    /// someone's home folder has nothing to do with a repository there.
    fn tracking(folder: &Path) -> Option<Self> {
        let git = Self {
            folder: folder.to_owned(),
        };
        git.ask(&["ls-files", "--error-unmatch", "Cargo.toml"])?;
        Some(git)
    }

    fn commit(&self) -> Option<String> {
        let commit = self.ask(&["rev-parse", &format!("--short={DIGITS}"), "HEAD"])?;
        let mut status = vec!["status", "--porcelain", "--"];
        status.extend(BUILT_FROM);
        let changed = self.ask(&status)?;
        let dirty = if changed.is_empty() { "" } else { "-dirty" };
        Some(format!("{commit}{dirty}"))
    }

    /// Returns the files of which one changes when HEAD moves. Git itself knows where they are in a worktree.
    fn position(&self) -> Vec<PathBuf> {
        let branch = self.ask(&["symbolic-ref", "--quiet", "HEAD"]);
        let names = ["HEAD", "logs/HEAD", "packed-refs"]
            .into_iter()
            .chain(branch.as_deref());
        names
            .filter_map(|name| self.ask(&["rev-parse", "--git-path", name]))
            .map(|path| self.folder.join(path))
            .collect()
    }

    /// Returns what git prints, or `None` when git fails. Git must not lock the index for this: someone may commit now.
    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let mut git = Command::new("git");
        git.arg("--no-optional-locks")
            .arg("-C")
            .arg(&self.folder)
            .args(arguments);
        let done = git.output().ok().filter(|done| done.status.success())?;
        Some(String::from_utf8(done.stdout).ok()?.trim_end().to_owned())
    }
}
