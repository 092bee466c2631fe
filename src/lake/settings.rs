//! Where the lake is, and how it is written.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};

use serde::Deserialize;
use url::Url;

use crate::delta::store::TableStore;
use crate::delta::store::folder_risk::FolderRisk;
use crate::lake::{FoldSettings, UpkeepSettings};
use crate::setting::BadSetting;
use crate::versions::guard::GuardSettings;

/// Where the lake is, and how it is written.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LakeSettings {
    /// Where the lake is: a folder, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. This
    /// option has no default. A folder that is made has mode 0700 and its files 0600; in a folder that is there, new
    /// files get the rights of that folder.
    pub url: String,
    /// Options of the object store, by its own names, such as `{aws_region: eu-central-1}`. Credentials are better
    /// left to the environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`).
    pub options: BTreeMap<String, String>,
    /// Least time between two commits of one Delta table, in which finished fetches are gathered. A hundred finished
    /// snapshots of it are committed before the time is over. A longer window makes fewer and larger files and later
    /// rows. 0: each fetch is committed at once.
    pub commit_window_secs: u64,
    /// Decoded bytes of a table that are gathered in memory, then sorted and uploaded: 32 MiB. This bounds the memory
    /// of a fetch.
    pub run_bytes: NonZeroUsize,
    /// Decoded bytes of a Parquet row group: 16 MiB. Smaller row groups let engines skip more.
    pub row_group_bytes: NonZeroUsize,
    /// Commits from one checkpoint of a Delta log to the next.
    pub checkpoint_interval: NonZeroU64,
    /// When and how the service folds `snapshots` and `deltas` into `current`.
    pub fold: FoldSettings,
    /// The guard holds back a fold that would remove more than a tenth of a table, and more than 100 rows, at once or
    /// within a day.
    pub guard: GuardSettings,
    /// How the service keeps the lake tidy: compaction, retention, and the removal of unreferenced files.
    pub upkeep: UpkeepSettings,
}

impl Default for LakeSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            options: BTreeMap::new(),
            commit_window_secs: 30,
            run_bytes: NonZeroUsize::new(32 << 20).expect("not zero"),
            row_group_bytes: NonZeroUsize::new(16 << 20).expect("not zero"),
            checkpoint_interval: NonZeroU64::new(100).expect("not zero"),
            fold: FoldSettings::default(),
            guard: GuardSettings::default(),
            upkeep: UpkeepSettings::default(),
        }
    }
}

impl LakeSettings {
    /// Checks all rules that do not need the lake to be open.
    pub fn check(&self) -> Result<(), BadSetting> {
        check_url(&self.url).map_err(|problem| BadSetting::new("url", problem))?;
        self.fold.check().map_err(|bad| bad.within("fold"))?;
        self.guard.check().map_err(|bad| bad.within("guard"))?;
        self.upkeep.check().map_err(|bad| bad.within("upkeep"))
    }

    /// Returns how other users of this machine could read or change a lake on the local disk. A program that opens a
    /// lake should say so once.
    #[must_use]
    pub fn folder_risks(&self) -> Vec<FolderRisk> {
        let folder = TableStore::folder_of(&self.url);
        folder.map_or_else(Vec::new, |folder| FolderRisk::of(&folder))
    }
}

impl fmt::Debug for LakeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The url and the options may hold credentials.
        f.debug_struct("LakeSettings")
            .field("options", &self.options.keys())
            .field("commit_window_secs", &self.commit_window_secs)
            .field("run_bytes", &self.run_bytes)
            .field("row_group_bytes", &self.row_group_bytes)
            .field("checkpoint_interval", &self.checkpoint_interval)
            .field("fold", &self.fold)
            .field("guard", &self.guard)
            .field("upkeep", &self.upkeep)
            .finish_non_exhaustive()
    }
}

/// Checks the form of a lake's address. Only opening the lake shows whether the store accepts it.
///
/// The error does not quote the address, which may hold a token.
fn check_url(text: &str) -> Result<(), &'static str> {
    const FORMS: &str = "must be the address of a lake: ./folder, file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory:";
    if text.trim().is_empty() {
        return Err(FORMS);
    }
    let Ok(url) = Url::parse(text) else {
        // A plain path. A text that contains `://` and is not a URL would become a strange folder.
        return if text.contains("://") {
            Err(FORMS)
        } else {
            Ok(())
        };
    };
    if !url.username().is_empty() && !url.scheme().starts_with("abfs") || url.password().is_some() {
        return Err(
            "must not contain a user name or password; put them into `options` or the environment",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(
            "must not contain a query or a part after #, which may be a token; put it into `options` or the environment",
        );
    }
    match url.scheme() {
        "file" if url.to_file_path().is_err() => Err(
            "must name a folder of this machine with three slashes, file:///folder; a relative folder needs no file://",
        ),
        "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss"
            if url.host_str().is_none_or(str::is_empty) =>
        {
            Err("must name a bucket after ://, such as s3://bucket/prefix")
        }
        "file" | "memory" | "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" => Ok(()),
        _ => Err(FORMS),
    }
}
