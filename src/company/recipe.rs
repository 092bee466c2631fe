//! Which value a field gets. The kind, the hints and the name of the field decide, once, when a shape is compiled. A known
//! name gets a fitting value, any other name a plausible value of its kind. So a new field in `schemas/` needs no line here.

use super::calendar::moment;
use super::choice::Choice;
use super::plain::{AddressPart, Free, Plain, Wording};
use super::relation::IN_TURNS;
use super::text::quoted;
use super::words;
use crate::catalog::{Field, FieldKind};

/// Fields that have a value only where another field of the record has a certain value.
#[rustfmt::skip]
pub(super) const CONDITIONS: &[(&str, &str, &str, &str)] = &[
    ("ats/applications", "rejected_at", "outcome", "DECLINED"),
    ("ats/applications", "rejection_reason_name", "outcome", "DECLINED"),
    ("ats/jobs", "closed_at", "status", "CLOSED"),
    ("hris/employees", "termination_date", "employment_status", "INACTIVE"),
    ("lms/course-progressions", "completed_at", "status", "COMPLETED"),
];

/// Fields that are optional in the schema and required by Kombo's own client.
pub(super) const NEVER_LEFT_OUT: &[(&str, &str)] =
    &[("hris/staffing-entities", "employment_types")];

/// Returns how many percent of a nullable field's values are null.
pub(super) fn nulls(scope: &str, name: &str) -> u64 {
    let mut conditions = CONDITIONS.iter();
    let has_condition = conditions.any(|(of, field, ..)| (*of, *field) == (scope, name));
    if has_condition || IN_TURNS.contains(&(scope, name)) {
        return 0;
    }
    match name {
        "outcome" | "status" | "employment_status" | "start_date" | "remote_created_at" => 1,
        "job_title" | "department" | "employment_type" => 3,
        "remote_data" => 75,
        "custom_fields" => 30,
        "raw" | "street_2" | "state" | "contact_id" => 45,
        "id" | "changed_at" | "remote_deleted_at" | "type" => 0,
        "remote_id" => 4,
        "name" | "first_name" | "last_name" | "display_full_name" | "title" | "label"
        | "work_location" | "address" | "job" | "application" | "manager" | "city" | "country" => 2,
        "domestic_bank_routing" | "avatar" | "ethnicity" => 40,
        // The relation decides how often there is no related record.
        _ if name.ends_with("_id") => 0,
        _ => 10,
    }
}

/// Returns how short and how long a list may be.
pub(super) fn lengths(name: &str) -> (u64, u64) {
    match name {
        "integration_fields" => (1, 4),
        "social_media" => (1, 3),
        "bank_accounts" => (0, 2),
        "ordered_options" | "ordered_levels" | "options" | "choices" => (2, 4),
        "email_addresses" | "phone_numbers" | "hiring_team_roles" | "employment_types" => (1, 2),
        "responses" => (0, 5),
        _ => (0, 3),
    }
}

/// Returns how a plain field's value is made.
pub(super) fn value(field: &Field, scope: &str, name: &str) -> Plain {
    match &field.kind {
        FieldKind::Json => Plain::Free(match name {
            "custom_fields" => Free::Custom,
            "remote_data" => Free::Remote,
            "precondition_options" => Free::Options,
            _ => Free::Any,
        }),
        FieldKind::Bool => Plain::Flag,
        FieldKind::Int => Plain::Whole(match name {
            "max_length" => 4000,
            "max_file_size_bytes" => 20_000_000,
            _ => 9,
        }),
        FieldKind::Float => number(scope, name),
        FieldKind::Timestamp => Plain::Instant(moment(scope, name)),
        FieldKind::Date => Plain::Day(moment(scope, name)),
        FieldKind::MidnightDate => Plain::Midnight(moment(scope, name)),
        _ if !field.hints.values.is_empty() => {
            let values = &field.hints.values;
            if IN_TURNS.contains(&(scope, name)) {
                Plain::InTurns(values.iter().map(|value| quoted(value)).collect())
            } else {
                Plain::Choice(Choice::of(scope, name, values, field.hints.open))
            }
        }
        _ => Plain::Text(string(field, scope, name)),
    }
}

fn number(scope: &str, name: &str) -> Plain {
    match name {
        "value" if scope.ends_with("#gross_pay") => Plain::Number(3_200, 6_900, 2),
        "value" if scope.ends_with("#net_pay") => Plain::Number(2_000, 3_100, 2),
        "value" if scope.ends_with("#paid_amount") => Plain::Number(2_000, 3_100, 2),
        "weekly_hours" => Plain::Number(32, 40, 1),
        "pay_rate" | "salary_amount" | "salary_amount_from" => Plain::Number(34_000, 90_000, 2),
        "salary_amount_to" => Plain::Number(90_000, 140_000, 2),
        "payable_hours" => Plain::Number(1, 12, 2),
        "unpaid_break_minutes" => Plain::Number(0, 60, 0),
        "min" => Plain::Number(0, 1, 0),
        "max" => Plain::Number(5, 10, 1),
        "number_of_openings" => Plain::Number(1, 6, 0),
        "amount" | "balance" | "used" => Plain::Number(0, 30, 1),
        _ => Plain::Number(1, 6_000, 2),
    }
}

fn string(field: &Field, scope: &str, name: &str) -> Wording {
    let hints = &field.hints;
    let has_at = |pattern: &String| pattern.contains('@');
    match hints.format.as_deref() {
        format if format == Some("email") || hints.pattern.as_ref().is_some_and(has_at) => {
            let is_named = name.contains("email");
            text_of(if is_named { name } else { "email" })
        }
        Some("uri") if name == "avatar" => Wording::Link("https://img.example.com/people/"),
        Some("uri") => Wording::Link("https://app.example.com/r/"),
        Some("time") => text_of("start_time"),
        _ if (scope, name) == ("hris/locations", "type") => Wording::OneOf(words::LOCATION_TYPES),
        _ if ["name", "title", "type", "label", "remote_label"].contains(&name) => {
            Wording::OneOf(words::named(scope))
        }
        _ if name == "key" && scope.ends_with("#content_ref") => {
            Wording::Pattern("attachments/########")
        }
        _ => text_of(name),
    }
}

/// Returns the kind of text for a field with this name.
pub(super) fn text_of(name: &str) -> Wording {
    match name {
        "first_name" => Wording::FirstName,
        "last_name" => Wording::LastName,
        "display_full_name" | "holder_name" => Wording::FullName,
        "email" | "work_email" => Wording::Email("acme.example.com"),
        "email_address" | "personal_email" => Wording::Email("mail.example.org"),
        "phone_number" | "mobile_phone_number" | "phone" => Wording::Pattern("+49 1## #######"),
        "ssn" => Wording::Pattern("### ##-####"),
        "tax_id" => Wording::Pattern("## ### ### ###"),
        "employee_number" => Wording::Pattern("E-#####"),
        "job_code" => Wording::Pattern("@@@-20##-###"),
        "iban" => Wording::Pattern("DE## #### #### #### #### ##"),
        "bic" => Wording::Pattern("@@@@DE@@XXX"),
        "number" => Wording::Pattern("########"),
        "account_number" | "zip_code" => Wording::Pattern("#####"),
        "start_time" => Wording::Pattern("0#:15:00"),
        "end_time" => Wording::Pattern("1#:45:00"),
        "timezone" => Wording::OneOf(words::TIME_ZONES),
        "experience_level" => Wording::OneOf(words::EXPERIENCE),
        "approval_status" => Wording::OneOf(words::APPROVALS),
        "current_level" => Wording::OneOf(words::LEVELS),
        "avatar" => Wording::Link("https://img.example.com/people/"),
        "username" => Wording::Username,
        "nationality" => Wording::OneOf(words::COUNTRIES),
        "country" => Wording::Address(AddressPart::Country),
        "city" => Wording::Address(AddressPart::City),
        "state" => Wording::Address(AddressPart::State),
        "street_1" => Wording::Address(AddressPart::Street),
        "raw" => Wording::Address(AddressPart::Line),
        "street_2" => Wording::OneOf(words::FLOORS),
        "currency" | "pay_currency" | "salary_currency" => Wording::OneOf(words::CURRENCIES),
        "job_title" => Wording::OneOf(words::JOBS),
        "company" | "bank_name" => Wording::OneOf(words::COMPANIES),
        "source" => Wording::OneOf(words::SOURCES),
        "file_name" => Wording::OneOf(words::FILES),
        "bucket" => Wording::OneOf(words::BUCKETS),
        "answer" => Wording::Pattern("202#-0#-1#"),
        "accepted_mime_types" => Wording::OneOf(words::MIME_TYPES),
        "department" | "category" => Wording::OneOf(words::GROUPS),
        "description" | "content_html" | "description_html" => Wording::Prose(words::HTML, 3),
        "content" | "summary_comment" | "comment" | "employee_note" => {
            Wording::Prose(words::SENTENCES, 2)
        }
        "key" => Wording::OneOf(words::KEYS),
        _ if name.ends_with("_id") || name == "id" || name == "remote_id" => Wording::LooseId,
        _ if name.ends_with("url") || name == "link" => Wording::Link("https://example.com/"),
        _ => Wording::OneOf(words::PLAIN),
    }
}
