//! How common each value of an enum is. Fields without a line have all their values equally often.

/// Values of an enum, each with how often it occurs.
type Weights = &'static [(&'static str, u64)];

/// The values of fields, by model and name, that are not equally common. A value without a number never occurs.
#[rustfmt::skip]
const WEIGHTS: &[(&str, &str, Weights)] = &[
    // Young offers; the others are decided by `choice`.
    ("ats/offers", "status", &[("SENT", 40), ("APPROVED", 25), ("DRAFT", 25), ("DECLINED", 7), ("ABANDONED", 3)]),
    ("ats/application-stages", "status", &[("ACTIVE", 85), ("INACTIVE", 15)]),
    ("ats/attachments", "type", &[("CV", 60), ("COVER_LETTER", 25), ("OTHER", 15)]),
    ("ats/jobs", "status", &[("OPEN", 36), ("CLOSED", 48), ("DRAFT", 6), ("ARCHIVED", 10)]),
    ("ats/jobs", "visibility", &[("PUBLIC", 74), ("INTERNAL", 12), ("UNLISTED", 10), ("CONFIDENTIAL", 4)]),
    ("ats/jobs", "employment_type", &[("FULL_TIME", 76), ("PART_TIME", 12), ("CONTRACT", 5), ("INTERNSHIP", 5), ("SEASONAL", 2)]),
    ("ats/jobs", "remote_work_status", &[("ON_SITE", 35), ("HYBRID", 45), ("REMOTE", 18), ("TEMPORARY", 2)]),
    ("ats/jobs", "salary_period", &[("YEAR", 1)]),
    ("ats/job-postings", "status", &[("ACTIVE", 60), ("INACTIVE", 30), ("DRAFT", 10)]),
    ("ats/users", "status", &[("ACTIVE", 91), ("INACTIVE", 9)]),
    ("hris/absences", "status", &[("APPROVED", 78), ("REQUESTED", 11), ("CANCELLED", 5), ("DECLINED", 4), ("DELETED", 2)]),
    ("hris/absences", "unit", &[("DAYS", 85), ("HOURS", 15)]),
    ("hris/absence-types", "unit", &[("DAYS", 80), ("HOURS", 20)]),
    ("hris/time-off-balances", "balance_unit", &[("DAYS", 1)]),
    ("hris/time-off-balances", "used_unit", &[("DAYS", 1)]),
    ("hris/employees", "employment_status", &[("ACTIVE", 89), ("LEAVE", 3), ("INACTIVE", 8)]),
    ("hris/employees", "gender", &[("FEMALE", 46), ("MALE", 47), ("NON_BINARY", 2), ("NOT_SPECIFIED", 5)]),
    ("hris/employees", "marital_status", &[("SINGLE", 38), ("MARRIED", 43), ("DOMESTIC_PARTNERSHIP", 5), ("DIVORCED", 6), ("SEPARATED", 3), ("WIDOWED", 2), ("NOT_MARRIED", 3)]),
    ("hris/employees", "employment_type", EMPLOYMENT_TYPES),
    ("hris/employments", "employment_type", EMPLOYMENT_TYPES),
    ("hris/employments", "pay_period", &[("YEAR", 1)]),
    ("hris/employments", "pay_frequency", &[("MONTHLY", 88), ("SEMIMONTHLY", 6), ("BIWEEKLY", 6)]),
    ("hris/groups", "type", &[("DEPARTMENT", 45), ("TEAM", 40), ("COST_CENTER", 15)]),
    ("hris/staffing-entities", "status", &[("FILLED", 46), ("OPEN_LIMITED", 22), ("OPEN_UNLIMITED", 6), ("CLOSED", 16), ("PENDING", 7), ("FROZEN", 3)]),
    ("hris/staffing-entities#employment_types", "unified_type", EMPLOYMENT_TYPES),
    ("lms/course-progressions", "status", &[("COMPLETED", 62), ("IN_PROGRESS", 18), ("ENROLLED", 15), ("DROPPED", 5)]),
    ("lms/course-revisions", "status", &[("ACTIVE", 70), ("INACTIVE", 30)]),
    ("lms/users", "status", &[("ACTIVE", 92), ("INACTIVE", 8)]),
    ("assessment/orders", "status", &[("COMPLETED", 72), ("OPEN", 18), ("CANCELLED", 6), ("REJECTED", 4)]),
];

const EMPLOYMENT_TYPES: Weights = &[
    ("FULL_TIME", 72),
    ("PART_TIME", 13),
    ("WORKING_STUDENT", 4),
    ("CONTRACT", 4),
    ("INTERNSHIP", 3),
    ("APPRENTICESHIP", 2),
    ("FREELANCE", 1),
    ("TRAINING", 1),
];

/// Returns how often each of these values occurs; an empty list where all are equally common.
pub(super) fn weights(scope: &str, name: &str, values: &[String]) -> Vec<u64> {
    let mut lines = WEIGHTS.iter();
    let Some((.., listed)) = lines.find(|(of, field, _)| (*of, *field) == (scope, name)) else {
        return Vec::new();
    };
    let weight = |value: &String| {
        let found = listed.iter().find(|(of, _)| of == value);
        found.map_or(0, |(_, weight)| *weight)
    };
    let weights: Vec<u64> = values.iter().map(weight).collect();
    // Another version of the schema may have none of them.
    if weights.iter().all(|weight| *weight == 0) {
        return Vec::new();
    }
    weights
}
