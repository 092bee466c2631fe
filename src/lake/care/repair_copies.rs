//! The copies of what a repair replaced or deleted, below `kombo_repair/`. They hold what the old objects held, so they
//! do not stay longer than replaced files do.

use futures_util::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::delta::delta_error::DeltaError;
use crate::lake::care::upkeep_report::TableUpkeep;
use crate::lake::layout::REPAIR_FOLDER;
use crate::lake::tables::Tables;
use crate::time::Moment;

/// Deletes the copies from before an instant. A dry run only lists them.
pub(super) async fn let_go(
    tables: &Tables,
    before: Moment,
    dry_run: bool,
) -> Result<TableUpkeep, DeltaError> {
    let failed = |source| DeltaError::Vacuum {
        table: REPAIR_FOLDER.to_owned(),
        source,
    };
    let folder = Path::from(REPAIR_FOLDER);
    let listed = tables.store.objects().list(Some(&folder));
    let copies: Vec<ObjectMeta> = listed
        .try_collect()
        .await
        .map_err(|error| failed(error.into()))?;
    let mut done = TableUpkeep {
        table: REPAIR_FOLDER.to_owned(),
        ..TableUpkeep::default()
    };
    let is_old = |copy: &ObjectMeta| copy.last_modified.timestamp_millis() < before.as_millis();
    for copy in copies.into_iter().filter(is_old) {
        if dry_run {
            done.listed.push(copy.location.to_string());
        } else {
            tables.store.delete(&copy.location).await.map_err(failed)?;
        }
        done.deleted_files += 1;
        done.deleted_bytes += copy.size;
    }
    Ok(done)
}
