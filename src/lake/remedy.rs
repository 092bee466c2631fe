//! The cure for a table that cannot be read, by the table's purpose. A test has followed each sentence.

/// Returns the cure for a missing or damaged log entry or data file, by the folder of its table.
///
/// The first cure is always a backup copy. Without a copy, the operator moves the folder away and its content is
/// rebuilt.
pub(super) fn of_table(table: &str) -> &'static str {
    match table.rsplit_once('/').map_or(table, |(_, part)| part) {
        "kombo_integrations" => {
            "restore the named file from a backup; without a backup, stop the service, move the folder kombo_integrations away and run `kombo-source backfill` with every integration under `integrations` or given as --integration: the table is rebuilt, without its records of deleted integrations"
        }
        "kombo_holds" => {
            "restore the named file from a backup; without a backup, stop the service, move the folder kombo_holds away and run `kombo-source fold`: the table is rebuilt, held changes are judged again, and changes that were accepted but not folded yet have to be accepted again"
        }
        "kombo_drift" => {
            "restore the named file from a backup; without a backup, stop the service, move the folder kombo_drift away and run `kombo-source fold`: the table is rebuilt, without the findings of earlier full fetches"
        }
        "kombo_quarantine" => {
            "restore the named file from a backup; without a backup, stop the service and move the folder kombo_quarantine away: the table is created again with the next row that has no id"
        }
        "current" => {
            "restore the named file from a backup; without a backup, stop the service, move the table's folder (the one that ends in /current) away and run `kombo-source fold`: the table is rebuilt from snapshots and deltas, without rows that were held back and are in no other table (`kombo-source accept` lists them)"
        }
        _ => {
            "restore the named file from a backup; without a backup, stop the service, move the table's folder (the one that ends in /snapshots or /deltas) away and run `kombo-source backfill` for this endpoint: full fetches rebuild the table"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of_table;

    #[test]
    fn each_table_has_a_cure_that_rebuilds_it() {
        for (table, verb) in [
            ("kombo_integrations", "kombo-source backfill"),
            ("kombo_holds", "kombo-source fold"),
            ("kombo_drift", "kombo-source fold"),
            ("kombo_quarantine", "next row"),
            ("ats_tags/current", "kombo-source fold"),
            ("ats_tags/snapshots", "kombo-source backfill"),
            ("ats_tags/deltas", "kombo-source backfill"),
        ] {
            assert!(of_table(table).contains(verb), "{table}");
        }
    }
}
