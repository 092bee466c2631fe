//! The truth as files: the rows of a full fetch of every endpoint, without a fetch.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::json;

use crate::company::{World, WorldSettings};

/// Writes the truth of a new world. The same files are the truth of a twin with the same settings that stands still and
/// runs for less than a day.
///
/// # Errors
/// Fails when the folder cannot be written.
pub fn dump_truth(settings: &WorldSettings, folder: &Path) -> io::Result<()> {
    dump_world(&World::new(settings.clone()), folder)
}

/// Writes `<category>_<endpoint>/<integration_key>.ndjson` with one record per line, and `integrations.json`.
///
/// # Errors
/// Fails when the folder cannot be written.
pub fn dump_world(world: &World, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut list = Vec::new();
    for integration in world.integrations() {
        let id = integration.id();
        list.push(json!({
            "id": id.as_str(),
            "tool": id.tool(),
            "category": integration.category().as_str(),
            "key": id.key().as_str(),
        }));
        for (endpoint, _) in integration.endpoints() {
            let table = folder.join(endpoint.name().table_name());
            fs::create_dir_all(&table)?;
            let file = File::create(table.join(format!("{}.ndjson", id.key())))?;
            let mut file = BufWriter::new(file);
            for line in world.truth(id, endpoint) {
                writeln!(file, "{line}")?;
            }
            file.flush()?;
        }
    }
    let list = serde_json::Value::from(list).to_string();
    fs::write(folder.join("integrations.json"), list)
}
