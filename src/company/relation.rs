//! Which records belong together. `schemas/` does not say of which record a nested struct is a copy, so this table does. A
//! struct or list without a line here gets values of its own.

use Link::{Child, Every, Itself, Parent, Pick, PickLive, Same, Several, Tree, Via};
use Then::{All, First, OneOf, Through};

/// Number of children of each parent of a block; blocks repeat. Parent and children are computed, so no table is kept.
pub(super) type Pattern = &'static [u64];

/// How the related record is found. `R` is the name of another relation, or its index after names are resolved.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link<R> {
    /// The parent that has this record as a child.
    Parent(Pattern),
    /// The children of this record.
    Child(Pattern),
    /// Any record of the other model.
    Pick,
    /// Any record that is not deleted.
    PickLive,
    /// Between a least and a most number of different records.
    Several(u64, u64),
    /// Most records, a step and a remainder: records whose index divided by the step leaves the remainder.
    Every(u64, u64, u64),
    /// The parent in a tree in which each has so many children.
    Tree(u64),
    /// A relation of this record, then a relation of the record found.
    Via(Then, R, R),
    /// The same records as those of another relation.
    Same(R),
    /// The record that the element of a list is about.
    Itself,
}

/// Which related record of the first step's record is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Its only related record.
    Through,
    /// The first record of its list.
    First,
    /// One record of its list, by chance.
    OneOf,
    /// All records of its list.
    All,
}

/// One relation. `of` is a model, or a model and the path of a list in it, joined by `#`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relation {
    pub of: &'static str,
    pub name: &'static str,
    pub to: &'static str,
    pub link: Link<&'static str>,
    /// How many percent of the records have none.
    pub none: u64,
    /// Whether the elements of the list are about the other record instead of copies of it.
    pub about: bool,
}

/// How many employees report to one manager.
pub(super) const REPORTS: u64 = 8;

pub(super) const APPLICATIONS_OF_CANDIDATE: Pattern = &[1, 1, 2, 1, 1, 3, 1, 1, 1, 2];
const INTERVIEWS_OF_APPLICATION: Pattern = &[0, 1, 0, 2, 0, 0, 1, 0, 3, 0];
const OFFERS_OF_APPLICATION: Pattern = &[0, 0, 0, 1, 0, 0, 0, 0, 2, 0];
const NOTES_OF_CANDIDATE: Pattern = &[0, 1, 0, 0, 2, 0, 1];
const SCORECARDS_OF_INTERVIEW: Pattern = &[0, 1, 1, 0];
const ATTACHMENTS_OF_CANDIDATE: Pattern = &[1, 0, 2, 0, 0, 1];
const QUESTIONS_OF_JOB: Pattern = &[3, 0, 5, 2, 4, 6];
const POSTINGS_OF_JOB: Pattern = &[1, 0, 2, 1];
const EMPLOYMENTS_OF_EMPLOYEE: Pattern = &[1, 1, 2, 0, 1, 1, 1, 0];
const BALANCES_OF_EMPLOYEE: Pattern = &[1, 0, 1, 2, 0, 1, 1, 0];
const ABSENCES_OF_EMPLOYEE: Pattern = &[0, 1, 0, 0, 3, 0, 0, 1];
const TIMESHEETS_OF_EMPLOYEE: Pattern = &[1, 0, 0, 2, 1, 0, 0];
const ITEMS_OF_PAYSLIP: Pattern = &[2, 3, 1, 4, 0];
const REVISIONS_OF_COURSE: Pattern = &[1, 2, 1, 3];

const fn relation(
    of: &'static str,
    name: &'static str,
    to: &'static str,
    link: Link<&'static str>,
    none: u64,
) -> Relation {
    Relation {
        of,
        name,
        to,
        link,
        none,
        about: false,
    }
}

const fn about(
    of: &'static str,
    name: &'static str,
    to: &'static str,
    link: Link<&'static str>,
) -> Relation {
    Relation {
        about: true,
        ..relation(of, name, to, link, 0)
    }
}

/// Every relation the twin knows.
#[rustfmt::skip]
pub(super) const RELATIONS: &[Relation] = &[
    relation("ats/applications", "candidate", "ats/candidates", Parent(APPLICATIONS_OF_CANDIDATE), 0),
    relation("ats/applications", "job", "ats/jobs", Pick, 2),
    relation("ats/applications", "current_stage", "ats/application-stages", Via(OneOf, "job", "stages"), 10),
    relation("ats/applications", "rejection_reason", "ats/rejection-reasons", Pick, 0),
    relation("ats/applications", "interviews", "ats/interviews", Child(INTERVIEWS_OF_APPLICATION), 0),
    relation("ats/applications", "offers", "ats/offers", Child(OFFERS_OF_APPLICATION), 0),
    about("ats/applications", "screening_question_answers", "ats/screening-questions", Via(All, "job", "screening_questions")),
    relation("ats/applications#screening_question_answers", "question", "ats/screening-questions", Itself, 0),
    relation("ats/candidates", "applications", "ats/applications", Child(APPLICATIONS_OF_CANDIDATE), 0),
    relation("ats/candidates", "tags", "ats/tags", Several(0, 3), 0),
    relation("ats/jobs", "stages", "ats/application-stages", Several(4, 7), 0),
    relation("ats/jobs", "screening_questions", "ats/screening-questions", Child(QUESTIONS_OF_JOB), 0),
    relation("ats/jobs", "job_postings", "ats/job-postings", Child(POSTINGS_OF_JOB), 0),
    relation("ats/jobs", "hiring_team", "ats/users", Several(0, 4), 0),
    relation("ats/jobs", "contact", "ats/users", Pick, 40),
    relation("ats/screening-questions", "job", "ats/jobs", Parent(QUESTIONS_OF_JOB), 0),
    relation("ats/job-postings", "job", "ats/jobs", Parent(POSTINGS_OF_JOB), 0),
    relation("ats/users", "system_roles", "ats/roles", Every(2, 2, 0), 0),
    relation("ats/users", "job_roles", "ats/roles", Every(2, 2, 1), 0),
    relation("ats/interviews", "application", "ats/applications", Parent(INTERVIEWS_OF_APPLICATION), 0),
    relation("ats/interviews", "stage", "ats/application-stages", Via(Through, "application", "current_stage"), 0),
    relation("ats/interviews", "users", "ats/users", Several(1, 3), 0),
    relation("ats/offers", "application", "ats/applications", Parent(OFFERS_OF_APPLICATION), 0),
    relation("ats/notes", "candidate", "ats/candidates", Parent(NOTES_OF_CANDIDATE), 0),
    relation("ats/notes", "application", "ats/applications", Via(First, "candidate", "applications"), 30),
    relation("ats/notes", "author", "ats/users", Pick, 10),
    relation("ats/scorecards", "interview", "ats/interviews", Parent(SCORECARDS_OF_INTERVIEW), 0),
    relation("ats/scorecards", "application", "ats/applications", Via(Through, "interview", "application"), 0),
    relation("ats/scorecards", "candidate", "ats/candidates", Via(Through, "application", "candidate"), 0),
    relation("ats/scorecards", "author", "ats/users", Pick, 10),
    relation("ats/attachments", "candidate", "ats/candidates", Parent(ATTACHMENTS_OF_CANDIDATE), 0),
    relation("ats/attachments", "application", "ats/applications", Via(First, "candidate", "applications"), 30),
    relation("hris/employees", "manager", "hris/employees", Tree(REPORTS), 3),
    relation("hris/employees", "employments", "hris/employments", Child(EMPLOYMENTS_OF_EMPLOYEE), 0),
    relation("hris/employees", "time_off_balances", "hris/time-off-balances", Child(BALANCES_OF_EMPLOYEE), 0),
    relation("hris/employees", "groups", "hris/groups", Several(0, 2), 0),
    relation("hris/employees", "teams", "hris/groups", Same("groups"), 0),
    relation("hris/employees", "legal_entity", "hris/legal-entities", Pick, 5),
    relation("hris/employees", "work_location", "hris/locations", Pick, 3),
    relation("hris/employments", "employee", "hris/employees", Parent(EMPLOYMENTS_OF_EMPLOYEE), 0),
    relation("hris/groups", "parent", "hris/groups", Tree(4), 0),
    relation("hris/time-off-balances", "employee", "hris/employees", Parent(BALANCES_OF_EMPLOYEE), 0),
    relation("hris/time-off-balances", "type", "hris/absence-types", PickLive, 0),
    relation("hris/absences", "employee", "hris/employees", Parent(ABSENCES_OF_EMPLOYEE), 0),
    relation("hris/absences", "type", "hris/absence-types", Pick, 4),
    relation("hris/absences", "approver", "hris/employees", Via(Through, "employee", "manager"), 20),
    relation("hris/timesheets", "employee", "hris/employees", Parent(TIMESHEETS_OF_EMPLOYEE), 0),
    relation("hris/performance-reviews", "reviewee", "hris/employees", PickLive, 0),
    relation("hris/performance-reviews", "reviewer", "hris/employees", Via(Through, "reviewee", "manager"), 10),
    relation("hris/performance-reviews", "review_cycle", "hris/performance-review-cycles", Pick, 5),
    relation("hris/staffing-entities", "parent", "hris/staffing-entities", Tree(6), 20),
    relation("hris/staffing-entities", "locations", "hris/locations", Several(0, 2), 0),
    relation("hris/staffing-entities", "legal_entities", "hris/legal-entities", Several(0, 2), 0),
    relation("hris/staffing-entities", "groups", "hris/groups", Several(0, 3), 0),
    about("hris/staffing-entities", "skills", "hris/skills", Several(0, 3)),
    relation("hris/staffing-entities#skills", "skill", "hris/skills", Itself, 0),
    relation("hris/pay-runs", "legal_entity", "hris/legal-entities", Pick, 10),
    relation("hris/payslips", "employee", "hris/employees", PickLive, 0),
    relation("hris/payslips", "pay_run", "hris/pay-runs", Pick, 5),
    relation("hris/payslips", "line_items", "hris/payslip-line-items", Child(ITEMS_OF_PAYSLIP), 0),
    relation("hris/payslip-line-items", "payslip", "hris/payslips", Parent(ITEMS_OF_PAYSLIP), 0),
    relation("hris/employee-skill-assignments", "employee", "hris/employees", PickLive, 0),
    relation("hris/employee-skill-assignments", "skill", "hris/skills", PickLive, 0),
    relation("lms/courses", "provider", "lms/course-providers", Pick, 15),
    relation("lms/courses", "revisions", "lms/course-revisions", Child(REVISIONS_OF_COURSE), 0),
    relation("lms/course-revisions", "course", "lms/courses", Parent(REVISIONS_OF_COURSE), 0),
    about("lms/course-revisions", "skill_assignments", "lms/skills", Several(0, 3)),
    relation("lms/course-revisions#skill_assignments", "skill", "lms/skills", Itself, 0),
    relation("lms/course-progressions", "user", "lms/users", PickLive, 0),
    relation("lms/course-progressions", "course_revision", "lms/course-revisions", PickLive, 0),
    relation("assessment/orders", "package", "assessment/packages", PickLive, 0),
];

/// Nested paths of the API whose name differs from the name of the field.
pub(super) const REACH_FIELDS: &[(&str, &str)] = &[
    ("system_role_assignment", "system_roles"),
    ("interviewers", "users"),
];

/// Enums whose value follows from the index of the record. Roles of the system and roles of a job take turns: users have
/// system roles, members of a hiring team have job roles.
pub(super) const IN_TURNS: &[(&str, &str)] = &[("ats/roles", "scope")];

/// Unions whose tag follows from the record that they are about, so that a question and its answers, or a scale and a
/// value on the scale, are of the same kind.
pub(super) const TIED_UNIONS: &[&str] = &[
    "ats/screening-questions#format",
    "ats/applications#screening_question_answers",
    "hris/skills#proficiency_scale",
    "hris/staffing-entities#skills#expected_proficiency",
];

/// Returns the number of children of this many parents.
pub(super) fn total(pattern: Pattern, parents: u64) -> u64 {
    let block = pattern.len() as u64;
    let rest = pattern.iter().zip(0..parents % block);
    parents / block * sum(pattern) + rest.map(|(count, _)| count).sum::<u64>()
}

/// Returns the least number of parents that have this many children.
pub(super) fn parents(pattern: Pattern, children: u64) -> u64 {
    match children.checked_sub(1) {
        Some(last) => parent(pattern, last) + 1,
        None => 0,
    }
}

/// Returns the children of a parent.
pub(super) fn children(pattern: Pattern, parent: u64) -> std::ops::Range<u64> {
    total(pattern, parent)..total(pattern, parent + 1)
}

/// Returns the parent of a child.
pub(super) fn parent(pattern: Pattern, child: u64) -> u64 {
    let (blocks, mut rest) = (child / sum(pattern), child % sum(pattern));
    let mut slot = 0;
    for count in pattern {
        if rest < *count {
            break;
        }
        rest -= count;
        slot += 1;
    }
    blocks * pattern.len() as u64 + slot
}

fn sum(pattern: Pattern) -> u64 {
    pattern.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_child_is_in_the_list_of_its_parent() {
        for pattern in [
            APPLICATIONS_OF_CANDIDATE,
            INTERVIEWS_OF_APPLICATION,
            QUESTIONS_OF_JOB,
        ] {
            for child in 0..500 {
                let found = parent(pattern, child);
                assert!(
                    children(pattern, found).contains(&child),
                    "{child} of {found}"
                );
            }
            for count in 0..100 {
                let needed = parents(pattern, count);
                assert!(total(pattern, needed) >= count);
                assert!(needed == 0 || total(pattern, needed - 1) < count);
            }
        }
    }
}
