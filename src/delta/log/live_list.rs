//! Lists the live files of a table: all, or those of one key.

use std::sync::Arc;

use crate::delta::log::DeltaLog;
use crate::delta::log::live_file::LiveFile;
use crate::delta::log::live_files::LiveFiles;
use crate::delta::log::log_error::LogError;
use crate::delta::log::log_state::LogState;
use crate::delta::log::replay::Replay;

impl DeltaLog {
    /// Lists the live files of a state, by path.
    pub async fn live_files(&self, at: &LogState) -> Result<Vec<Arc<LiveFile>>, LogError> {
        let live = self.live(at).await?;
        let mut files: Vec<_> = live.iter().cloned().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Lists the live files of a state that may hold rows of a key, by path. In a table whose partitions are keys the
    /// cost grows with these files only.
    pub async fn live_files_of(
        &self,
        at: &LogState,
        key: &str,
    ) -> Result<Vec<Arc<LiveFile>>, LogError> {
        let live = self.live(at).await?;
        let partition = at.metadata.partition_columns.first();
        let mut files: Vec<_> = if partition.is_some_and(|column| column == at.bounded.key) {
            live.in_partition(key).cloned().collect()
        } else {
            let may_hold = live.iter().filter(|file| file.may_hold(key, None));
            may_hold.cloned().collect()
        };
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    async fn live(&self, at: &LogState) -> Result<LiveFiles, LogError> {
        let known = self.at_version(at.version);
        let known = known.as_ref().and_then(|known| known.live.as_ref());
        match at.live.as_ref().or(known) {
            Some(live) => Ok(live.clone()),
            None => self.list_files(at.version).await,
        }
    }

    async fn list_files(&self, version: u64) -> Result<LiveFiles, LogError> {
        let what = Replay::Files(self.settings.bounded);
        let replayed = self.reader.read(Some(version), what).await?;
        self.note(&replayed.flaws);
        let live = replayed.in_force.live;
        let mut known = self.known();
        if known.state.version == version && known.state.live.is_none() {
            Arc::make_mut(&mut known.state).live = Some(live.clone());
        }
        Ok(live)
    }
}
