//! What a new snapshot lacks of the one it is about to replace.

use std::fmt;
use std::sync::Arc;

use arrow::array::AsArray;

use super::LakeError;
use super::committer::Committer;
use super::data_files::on_cpu;
use super::layout::Partition;
use super::runs::hash;
use super::writer::read;
use crate::ids::IntegrationKey;

/// Ids that a table's last snapshot holds and a staged one lacks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// As many of them as were asked for.
    pub ids: Vec<String>,
    /// How many there are.
    pub total: u64,
}

impl fmt::Debug for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Missing({} of {})", self.ids.len(), self.total)
    }
}

/// Compares the live files of an integration with the hashes of the ids that a new snapshot has: one file at a time, so
/// memory holds one file, the hashes, and `limit` ids. Ids whose hash is shared with another are taken as present; of 64
/// bits that is one in billions of tables.
pub(super) async fn missing(
    committer: &Committer,
    key: &IntegrationKey,
    present: &Arc<Vec<Vec<u64>>>,
    limit: usize,
) -> Result<Missing, LakeError> {
    let state = committer.refreshed().await?;
    let mut missing = Missing::default();
    for file in committer.live(&state).await? {
        let partition = file.partition_values.get(Partition::INTEGRATION_KEY);
        if partition.and_then(Option::as_deref) != Some(key.as_str()) {
            continue;
        }
        let bytes = committer.files.read(&file.path).await?;
        let present = Arc::clone(present);
        missing = on_cpu(move || -> Result<Missing, LakeError> {
            for batch in read(bytes, &["id"])? {
                let batch = batch?;
                // The first column is the only one that was read.
                for id in batch.column(0).as_string::<i32>().iter().flatten() {
                    let hash = hash(id);
                    if present.iter().any(|run| run.binary_search(&hash).is_ok()) {
                        continue;
                    }
                    missing.total += 1;
                    if missing.ids.len() < limit {
                        missing.ids.push(id.to_owned());
                    }
                }
            }
            Ok(missing)
        })
        .await??;
    }
    Ok(missing)
}
