//! The name of this service, kept in the data directory.

use std::io;
use std::path::Path;

use crate::delta::store::staged_file::{FileModes, StagedFile, create_folders};
use crate::ids::InstanceId;

/// Name of the file in `data_dir`.
const NAME: &str = "instance";

/// Returns the name that the data directory keeps, or a fresh one. A name that cannot be kept is used until the service
/// ends: then the next start has another name.
pub(super) fn instance(data_dir: &Path) -> InstanceId {
    if let Some(kept) = kept(data_dir) {
        return kept;
    }
    let fresh = InstanceId::fresh();
    match keep(data_dir, &fresh) {
        Ok(()) => kept(data_dir).unwrap_or(fresh),
        Err(_) => fresh,
    }
}

fn kept(data_dir: &Path) -> Option<InstanceId> {
    let file = data_dir.join(NAME);
    // A link in place of the file was put there by somebody, and is not followed.
    let is_file = std::fs::symlink_metadata(&file).is_ok_and(|found| found.is_file());
    let text = is_file.then(|| std::fs::read_to_string(&file).ok())??;
    InstanceId::new(text.trim())
}

fn keep(data_dir: &Path, instance: &InstanceId) -> io::Result<()> {
    create_folders(data_dir, FileModes::PRIVATE)?;
    let modes = FileModes::as_in(data_dir)?;
    let beside = data_dir.join(format!("{NAME}.new"));
    let mut file = StagedFile::named(beside, &data_dir.join(NAME), modes)?;
    file.write(format!("{instance}\n").as_bytes())?;
    file.replace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_stays_with_the_data_directory() {
        let base = tempfile::tempdir().expect("a folder");
        let folder = base.path().join("data");
        let first = instance(&folder);
        assert_eq!(instance(&folder), first);
        assert_ne!(instance(&base.path().join("other")), first);
        std::fs::write(folder.join(NAME), "../../x").expect("written");
        assert_ne!(instance(&folder).as_str(), "../../x");
    }
}
