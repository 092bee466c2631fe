//! `DuckDB` queries for one row of a lake, ready to paste.

/// Returns a `DuckDB` query for one row as it was last seen to change.
pub(super) fn one_row(lake: &str, table: &str, id: &str) -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    let (lake, id) = (quoted(lake), quoted(id));
    format!(
        "SELECT id, _op, changed_at, _fetched_at\n\
         FROM delta_scan('{lake}/{table}/deltas')\n\
         WHERE id = '{id}' ORDER BY _fetched_at DESC LIMIT 1;"
    )
}

/// Returns a `DuckDB` query for one row of `current`. People are shown with their names.
pub(super) fn current_row(lake: &str, table: &str, id: &str) -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    let (lake, id) = (quoted(lake), quoted(id));
    let columns = match table {
        "hris_employees" => "display_full_name, job_title, employment_status, start_date",
        _ => "id, changed_at",
    };
    format!(
        "SELECT {columns}\n\
         FROM delta_scan('{lake}/{table}/current')\n\
         WHERE id = '{id}';"
    )
}
