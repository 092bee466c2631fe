//! What an instant in a record means, by the name of its field.

use super::plain::InstantKind;
use InstantKind::{
    After, Birth, Created, Early, FirstDay, LastDay, Past, PastEnd, Planned, Updated,
};

const MINUTES_PER_DAY: u64 = 24 * 60;

/// Fields whose name alone does not say enough.
#[rustfmt::skip]
const MOMENTS: &[(&str, &str, InstantKind)] = &[
    ("ats/interviews", "starting_at", Planned { days: 21 }),
    ("ats/interviews", "ending_at", After { days: 21, least_mins: 30, most_mins: 90 }),
    ("ats/offers", "employment_start_date", Planned { days: 90 }),
    ("hris/employees", "start_date", FirstDay),
    ("hris/employees", "termination_date", LastDay),
    ("hris/employments", "effective_date", Early),
    ("hris/absences", "start_date", Planned { days: 45 }),
    ("hris/absences", "end_date", After { days: 45, least_mins: 0, most_mins: 14 * MINUTES_PER_DAY }),
    ("hris/timesheets", "started_at", Planned { days: 1 }),
    ("hris/timesheets", "ended_at", After { days: 1, least_mins: 300, most_mins: 540 }),
    ("hris/timesheets#breaks", "started_at", After { days: 1, least_mins: 120, most_mins: 180 }),
    ("hris/timesheets#breaks", "ended_at", After { days: 1, least_mins: 190, most_mins: 240 }),
    ("hris/timesheets", "approved_at", PastEnd),
    ("hris/pay-runs", "start_date", Planned { days: 1 }),
    ("hris/pay-runs", "end_date", After { days: 1, least_mins: 27 * MINUTES_PER_DAY, most_mins: 30 * MINUTES_PER_DAY }),
];

/// How the names of instants begin at which something ends.
#[rustfmt::skip]
const ENDS: &[&str] = &["end", "completed", "closed", "termination", "approved", "rejected"];

/// Returns what an instant means.
pub(super) fn moment(scope: &str, name: &str) -> InstantKind {
    let mut listed = MOMENTS.iter();
    let listed = listed.find(|(of, field, _)| (*of, *field) == (scope, name));
    match name {
        _ if let Some((.., kind)) = listed => *kind,
        "remote_created_at" | "opened_at" | "enrolled_at" => Created,
        "remote_updated_at" | "updated_at" => Updated,
        "date_of_birth" => Birth,
        _ if ENDS.iter().any(|end| name.starts_with(end)) => PastEnd,
        _ => Past,
    }
}
