//! Finds which files of a table have rows with given ids, when the files overlap in their ids. Reads the footers, the
//! bloom filters and the pages that may have one of the ids.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::StringArray;

use crate::decode::texts;
use crate::delta::delta_error::{DECODING, DeltaError};
use crate::delta::file::lookup::{Lookup, LookupStep, WantedIds};
use crate::delta::log::LiveFile;
use crate::lake::fold::sources::TableReader;

impl TableReader<'_> {
    /// Returns the position of the file that has each id; `None` for an id that no file has.
    pub(super) fn holders(
        &self,
        files: &[Arc<LiveFile>],
        ids: &StringArray,
    ) -> Result<Vec<Option<usize>>, DeltaError> {
        let all: Vec<String> = ids.iter().flatten().map(str::to_owned).collect();
        let wanted = WantedIds::new(all.iter().cloned());
        let mut found: HashMap<String, usize> = HashMap::new();
        for (at, file) in files.iter().enumerate() {
            let bounds = file.bounds.ids.as_ref();
            let may_hold = bounds
                .is_none_or(|(least, most)| wanted.any_within(least.as_bytes(), most.as_bytes()));
            if may_hold {
                let here = self.look_up(file, &wanted);
                let here = here.map_err(|error| self.shelves.current.named(&file.path, error))?;
                found.extend(here.into_iter().map(|id| (id, at)));
            }
        }
        Ok(all.iter().map(|id| found.get(id).copied()).collect())
    }

    fn look_up(&self, file: &LiveFile, wanted: &WantedIds) -> Result<Vec<String>, DeltaError> {
        let (mut lookup, mut needed) = Lookup::new(file.size, wanted.clone(), &["id"])?;
        loop {
            let reads = needed.into_iter();
            let reads =
                reads.map(|range| self.porter.read(&self.shelves.current, &file.path, range));
            let bytes = reads.collect::<Result<Vec<_>, _>>()?;
            match lookup.go_on(bytes)? {
                LookupStep::Needs(ranges) => needed = ranges,
                LookupStep::Found(batches) => {
                    let mut ids = Vec::new();
                    for batch in &batches {
                        let found = texts(batch, "id").ok_or(DECODING)?;
                        ids.extend(found.iter().flatten().map(str::to_owned));
                    }
                    return Ok(ids);
                }
            }
        }
    }
}
