//! What to do about a table that cannot be read, by what the table is for. Each sentence was followed by a test.

/// Returns the cure for a log entry or a data file that is missing or damaged, by the folder of its table.
///
/// The first cure is always a copy. Without one, the folder is moved away and what belongs into it is written anew.
pub(super) fn of_table(table: &str) -> &'static str {
    match table.rsplit_once('/').map_or(table, |(_, part)| part) {
        "kombo_integrations" => {
            "restore the file that is named from a copy; without one, stop the service, move the folder kombo_integrations away and run `kombo-source backfill` with every integration under `integrations` or given as --integration: it is written anew, without what was known of deleted integrations"
        }
        "kombo_holds" => {
            "restore the file that is named from a copy; without one, stop the service, move the folder kombo_holds away and run `kombo-source fold`: it is written anew, what was held is judged again, and what was accepted and is not folded yet has to be accepted again"
        }
        "kombo_drift" => {
            "restore the file that is named from a copy; without one, stop the service, move the folder kombo_drift away and run `kombo-source fold`: it is written anew, without what earlier full fetches found"
        }
        "kombo_quarantine" => {
            "restore the file that is named from a copy; without one, stop the service and move the folder kombo_quarantine away: it is written anew with the next row that has no id"
        }
        "current" => {
            "restore the file that is named from a copy; without one, stop the service, move the table's folder (the one that ends in /current) away and run `kombo-source fold`: it is made anew from snapshots and deltas, without rows that were held back and are nowhere else (`kombo-source accept` lists them)"
        }
        _ => {
            "restore the file that is named from a copy; without one, stop the service, move the table's folder (the one that ends in /snapshots or /deltas) away and run `kombo-source backfill` for this endpoint: full fetches write it anew"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of_table;

    #[test]
    fn each_table_is_told_how_it_is_written_anew() {
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
