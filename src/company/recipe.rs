//! What to write for a field. Decided once, from its kind, its hints and its name: a name known here gets a value that
//! looks the part, any other a plausible one of its kind, so that a field added to `schemas/` needs no line here.

use super::hash::salt;
use super::relation::IN_TURNS;
use super::shape::{Column, Shape};
use super::words::{self, Words};
use crate::catalog::{Field, FieldKind};

/// How the value of a key is made.
#[derive(Debug)]
pub(super) enum Recipe {
    /// The record's id.
    Id,
    /// The id in the connected tool.
    RemoteId,
    /// `changed_at` of the record.
    ChangedAt,
    /// `remote_deleted_at` of the record.
    DeletedAt,
    /// A copy of a related record.
    One(usize, Shape),
    /// The id of a related record.
    IdOf(usize),
    /// The name of a related record.
    NameOf(usize, Box<Column>),
    /// Copies of related records, or objects about them.
    Many(usize, Box<Recipe>),
    /// An object of its own.
    Struct(Shape),
    /// A list of its own: its element, and how long it may be.
    List(Box<Recipe>, u64, u64),
    /// An object with one shape per tag. A tied one takes its tag from the record it is about.
    Union {
        variants: Vec<(u64, Shape)>,
        tied: bool,
    },
    /// A plain value.
    Value(Value),
}

/// A plain value.
#[derive(Debug)]
pub(super) enum Value {
    /// Always this JSON.
    Constant(String),
    /// One of these, as JSON; an open enum takes others, too.
    Choice { texts: Vec<String>, open: bool },
    /// The next of these for each record, as JSON.
    InTurns(Vec<String>),
    /// A text by its meaning.
    Text(Text),
    /// A whole number up to this.
    Whole(u64),
    /// A number: from, to, decimals.
    Number(u64, u64, u32),
    /// True or false.
    Flag,
    /// A timestamp.
    Instant(Moment),
    /// `YYYY-MM-DD`.
    Day(Moment),
    /// A date as a timestamp at midnight.
    Midnight(Moment),
    /// Any JSON.
    Free(Free),
}

/// Texts by what they mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    FirstName,
    LastName,
    FullName,
    Email(&'static str),
    /// One of a list, ready for JSON.
    OneOf(Words),
    /// Several of a list, one after the other.
    Prose(Words, u64),
    /// A pattern in which `#` is a digit and `@` a capital letter.
    Pattern(&'static str),
    /// A link that ends in a number.
    Link(&'static str),
    /// An id that nothing is found by.
    LooseId,
}

/// Instants by what they mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    Created,
    Updated,
    /// Some time after the record was made, perhaps in the future.
    Start,
    /// After [`Moment::Start`].
    End,
    /// When the person was born.
    Birth,
}

/// Free JSON by where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Free {
    /// `custom_fields`.
    Custom,
    /// `remote_data`.
    Remote,
    /// Any value.
    Any,
    /// A list of texts or of booleans.
    Options,
}

/// Fields that have a value only where another field of the record has this one.
#[rustfmt::skip]
pub(super) const CONDITIONS: &[(&str, &str, &str, &str)] = &[
    ("ats/applications", "rejected_at", "outcome", "DECLINED"),
    ("ats/applications", "rejection_reason_name", "outcome", "DECLINED"),
    ("ats/jobs", "closed_at", "status", "CLOSED"),
    ("hris/employees", "termination_date", "employment_status", "INACTIVE"),
    ("lms/course-progressions", "completed_at", "status", "COMPLETED"),
];

/// Fields that the schema calls optional and the vendor's client does not.
pub(super) const NEVER_LEFT_OUT: &[(&str, &str)] =
    &[("hris/staffing-entities", "employment_types")];

/// Returns how many percent of a nullable field's values are null.
pub(super) fn nulls(scope: &str, name: &str) -> u64 {
    if CONDITIONS
        .iter()
        .any(|(of, field, ..)| *of == scope && *field == name)
    {
        return 0;
    }
    if IN_TURNS.contains(&(scope, name)) {
        return 0;
    }
    match name {
        "remote_data" => 75,
        "custom_fields" => 30,
        "raw" | "street_2" | "state" | "contact_id" => 45,
        "id" | "changed_at" | "remote_deleted_at" | "type" => 0,
        "remote_id" => 4,
        "name" | "first_name" | "last_name" | "display_full_name" | "title" | "label" => 2,
        "domestic_bank_routing" | "avatar" | "ethnicity" => 40,
        // The relation says how often there is none.
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

/// Returns the recipe of a field that every record has.
pub(super) fn own(scope: &str, field: &Field) -> Option<Recipe> {
    let part = scope.contains('#');
    match (field.name.as_str(), &field.kind) {
        ("id", FieldKind::String) if !part => Some(Recipe::Id),
        ("remote_id", FieldKind::String) if !part => Some(Recipe::RemoteId),
        ("changed_at", FieldKind::Timestamp) if !part => Some(Recipe::ChangedAt),
        ("remote_deleted_at", FieldKind::Timestamp) if !part => Some(Recipe::DeletedAt),
        _ => None,
    }
}

/// Returns the recipe of a free value whose union says what it is, in the form of a field without an id.
pub(super) fn from_shape(shape: &serde_json::Value, name: &str) -> Recipe {
    let text = |key: &str| shape.get(key).and_then(serde_json::Value::as_str);
    let name = text("name").unwrap_or(name);
    match text("type") {
        Some("struct") => {
            let fields = shape.get("fields").and_then(serde_json::Value::as_array);
            let columns = fields.into_iter().flatten().map(|field| Column {
                name: field["name"].as_str().unwrap_or_default().to_owned(),
                key: format!("{}:", field["name"]),
                salt: salt(field["name"].as_str().unwrap_or_default()),
                nullable: field["nullable"] == true,
                optional: false,
                nulls: if field["nullable"] == true { 10 } else { 0 },
                when: None,
                recipe: from_shape(field, name),
            });
            Recipe::Struct(Shape {
                columns: columns.collect(),
            })
        }
        Some("list") => {
            let (least, most) = lengths(name);
            Recipe::List(Box::new(from_shape(&shape["item"], name)), least, most)
        }
        Some("bool") => Recipe::Value(Value::Flag),
        Some("float" | "int") => Recipe::Value(Value::Number(1, 5, 1)),
        Some("string") => Recipe::Value(Value::Text(text_of(name))),
        _ => Recipe::Value(Value::Free(Free::Any)),
    }
}

/// Returns how a plain field's value is made.
pub(super) fn value(field: &Field, scope: &str, name: &str) -> Value {
    match &field.kind {
        FieldKind::Json => Value::Free(match name {
            "custom_fields" => Free::Custom,
            "remote_data" => Free::Remote,
            "precondition_options" => Free::Options,
            _ => Free::Any,
        }),
        FieldKind::Bool => Value::Flag,
        FieldKind::Int => Value::Whole(match name {
            "max_length" => 4000,
            "max_file_size_bytes" => 20_000_000,
            _ => 9,
        }),
        FieldKind::Float => number(name),
        FieldKind::Timestamp => Value::Instant(moment(name)),
        FieldKind::Date => Value::Day(moment(name)),
        FieldKind::MidnightDate => Value::Midnight(moment(name)),
        _ if !field.hints.values.is_empty() => {
            let values = field.hints.values.iter();
            let texts = values
                .map(|value| serde_json::Value::from(value.as_str()).to_string())
                .collect();
            if IN_TURNS.contains(&(scope, name)) {
                Value::InTurns(texts)
            } else {
                let open = field.hints.open;
                Value::Choice { texts, open }
            }
        }
        _ => Value::Text(string(field, scope, name)),
    }
}

fn number(name: &str) -> Value {
    match name {
        "weekly_hours" => Value::Number(10, 40, 1),
        "pay_rate" | "salary_amount" | "salary_amount_from" => Value::Number(18_000, 90_000, 2),
        "salary_amount_to" => Value::Number(90_000, 140_000, 2),
        "payable_hours" => Value::Number(1, 12, 2),
        "unpaid_break_minutes" => Value::Number(0, 60, 0),
        "min" => Value::Number(0, 1, 0),
        "max" => Value::Number(5, 10, 1),
        "number_of_openings" => Value::Number(1, 6, 0),
        "amount" | "balance" | "used" => Value::Number(0, 30, 1),
        _ => Value::Number(1, 6_000, 2),
    }
}

fn moment(name: &str) -> Moment {
    match name {
        "remote_created_at" | "opened_at" | "enrolled_at" => Moment::Created,
        "remote_updated_at" | "updated_at" => Moment::Updated,
        "date_of_birth" => Moment::Birth,
        _ if name.starts_with("end")
            || name.starts_with("completed")
            || name.starts_with("closed")
            || name.starts_with("termination")
            || name.starts_with("approved") =>
        {
            Moment::End
        }
        _ => Moment::Start,
    }
}

fn string(field: &Field, scope: &str, name: &str) -> Text {
    if field.hints.format.as_deref() == Some("email")
        || field
            .hints
            .pattern
            .as_deref()
            .is_some_and(|pattern| pattern.contains('@'))
    {
        return text_of(if name.contains("email") {
            name
        } else {
            "email"
        });
    }
    if field.hints.format.as_deref() == Some("uri") {
        return match name {
            "avatar" => Text::Link("https://img.example.com/people/"),
            _ => Text::Link("https://app.example.com/r/"),
        };
    }
    if field.hints.format.as_deref() == Some("time") {
        return text_of("start_time");
    }
    if name == "name" || name == "title" || name == "type" || name == "label" {
        return Text::OneOf(words::named(scope));
    }
    text_of(name)
}

/// Texts that a field's name alone tells.
fn text_of(name: &str) -> Text {
    match name {
        "first_name" => Text::FirstName,
        "last_name" => Text::LastName,
        "display_full_name" | "holder_name" => Text::FullName,
        "email" | "work_email" => Text::Email("acme.example.com"),
        "email_address" | "personal_email" => Text::Email("mail.example.org"),
        "phone_number" | "mobile_phone_number" | "phone" => Text::Pattern("+49 1## #######"),
        "ssn" => Text::Pattern("### ##-####"),
        "tax_id" => Text::Pattern("## ### ### ###"),
        "employee_number" => Text::Pattern("E-#####"),
        "job_code" => Text::Pattern("@@@-20##-###"),
        "iban" => Text::Pattern("DE## #### #### #### #### ##"),
        "bic" => Text::Pattern("@@@@DE@@XXX"),
        "number" => Text::Pattern("########"),
        "account_number" | "zip_code" => Text::Pattern("#####"),
        "start_time" => Text::Pattern("0#:15:00"),
        "end_time" => Text::Pattern("1#:45:00"),
        "timezone" => Text::Pattern("+0#:00"),
        "nationality" | "country" => Text::OneOf(words::COUNTRIES),
        "currency" | "pay_currency" | "salary_currency" => Text::OneOf(words::CURRENCIES),
        "city" | "state" => Text::OneOf(words::CITIES),
        "street_1" | "street_2" | "raw" => Text::OneOf(words::STREETS),
        "job_title" => Text::OneOf(words::JOBS),
        "company" | "bank_name" => Text::OneOf(words::COMPANIES),
        "source" => Text::OneOf(words::SOURCES),
        "file_name" => Text::OneOf(words::FILES),
        "bucket" => Text::OneOf(words::BUCKETS),
        "answer" => Text::Pattern("202#-0#-1#"),
        "accepted_mime_types" => Text::OneOf(words::MIME_TYPES),
        "department" | "category" => Text::OneOf(words::GROUPS),
        "description" | "content_html" | "description_html" => Text::Prose(words::HTML, 3),
        "content" | "summary_comment" | "comment" | "employee_note" => {
            Text::Prose(words::SENTENCES, 2)
        }
        _ if name == "key" => Text::OneOf(words::KEYS),
        _ if name.ends_with("_id") || name == "id" || name == "remote_id" => Text::LooseId,
        _ if name.ends_with("url") || name == "link" => Text::Link("https://example.com/"),
        _ => Text::OneOf(words::PLAIN),
    }
}
