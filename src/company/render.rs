//! Writes records as JSON: from a shape and a subject straight to text, without a tree of values.

use super::customer::{Customer, RecordState, Subject};
use super::hash::{at, below, mix, percent};
use super::identity::push_id;
use super::plain::Plain;
use super::settings::Oddities;
use super::shape::{Property, Recipe, Shape};
use super::text::{push_all, push_number, push_timestamp};
use super::ties::Tie;
use super::value;
use crate::time::Moment;

const NULL: u64 = 21;
const ABSENT: u64 = 22;
const LENGTH: u64 = 23;

/// The fields that a rename changes.
#[rustfmt::skip]
const NAMES: &[&str] = &["name", "title", "first_name", "last_name", "display_full_name"];

/// Writes the records of a customer as they are at one instant.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub customer: &'a Customer,
    pub now: Moment,
    pub oddities: Oddities,
}

impl Writer<'_> {
    /// Appends one record.
    pub(super) fn record(&self, out: &mut String, shape: &Shape, subject: Subject) {
        if self.customer.state(subject, self.now) == RecordState::Anonymised {
            return self.anonymised(out, shape, subject);
        }
        self.object(out, shape, subject);
        if self.oddities.unknown_fields && percent(30, mix(subject.root, 24)) {
            out.pop();
            out.push_str(",\"twin_extra\":{\"since\":\"2026\",\"level\":");
            push_number(out, below(9, subject.root));
            out.push_str("}}");
        }
    }

    /// Appends a remote id, or `null` where the tool has none.
    pub(super) fn remote_id(&self, out: &mut String, subject: Subject, nullable: bool) {
        if nullable && percent(4, mix(subject.root, 25)) {
            return out.push_str("null");
        }
        push_all(
            out,
            ["\"", self.customer.model(subject.model).remote_prefix],
        );
        push_number(out, 1000 + subject.index);
        out.push('"');
    }

    /// Appends a row 14 days after its deletion: only the id and the time of deletion have values.
    fn anonymised(&self, out: &mut String, shape: &Shape, subject: Subject) {
        out.push('{');
        for column in &shape.columns {
            out.push_str(&column.key);
            match column.recipe {
                Recipe::Id | Recipe::DeletedAt => self.recipe(out, column, subject),
                _ => out.push_str("null"),
            }
            out.push(',');
        }
        close(out, '}');
    }

    fn object(&self, out: &mut String, shape: &Shape, subject: Subject) {
        out.push('{');
        for column in &shape.columns {
            let nothing = self.is_null(column, subject);
            if column.optional && (nothing || !column.nullable) && left_out(column, subject) {
                continue;
            }
            out.push_str(&column.key);
            if nothing {
                out.push_str("null");
            } else {
                self.recipe(out, column, subject);
            }
            out.push(',');
        }
        close(out, '}');
    }

    fn recipe(&self, out: &mut String, column: &Property, subject: Subject) {
        match &column.recipe {
            Recipe::Id => self.id(out, subject.model, subject.index),
            Recipe::RemoteId => self.remote_id(out, subject, column.nulls > 0),
            Recipe::ChangedAt => push_timestamp(out, self.customer.changed(subject)),
            Recipe::DeletedAt => match self.customer.deleted(subject) {
                Some(at) => push_timestamp(out, at),
                None => out.push_str("null"),
            },
            Recipe::IdOf(tie) => match self.customer.one(*tie, subject) {
                Some(index) => self.id(out, self.customer.blueprint.ties[*tie].to, index),
                None => out.push_str("null"),
            },
            Recipe::NameOf(tie, name) => match self.related(*tie, subject) {
                Some(other) if !self.is_null(name, other) => self.recipe(out, name, other),
                _ => out.push_str("null"),
            },
            Recipe::One(tie, shape) => match self.related(*tie, subject) {
                Some(other) if !column.nullable || self.is_live(other) => {
                    self.object(out, shape, other);
                }
                _ => out.push_str("null"),
            },
            Recipe::Many(tie, element) => self.many(out, column, *tie, element, subject),
            Recipe::Plain(made) => {
                self.value(out, made, column.salt, self.named(column, subject));
            }
            own => self.part(out, own, subject.part(column.salt, 0)),
        }
    }

    fn id(&self, out: &mut String, model: usize, index: u64) {
        out.push('"');
        push_id(out, self.customer.id_space(model), index);
        out.push('"');
    }

    /// Returns the subject that the names of a record are made from: each rename gives another one.
    fn named(&self, column: &Property, subject: Subject) -> Subject {
        let past = self.customer.history.of(subject.model, subject.index);
        match past.map(|past| past.names) {
            Some(names) if names > 0 && NAMES.contains(&&*column.name) => Subject {
                salt: mix(subject.salt, names),
                owner: mix(subject.owner, names),
                ..subject
            },
            _ => subject,
        }
    }

    /// Appends a value that belongs to the record alone. The subject is already the part.
    fn part(&self, out: &mut String, recipe: &Recipe, subject: Subject) {
        match recipe {
            Recipe::Struct(shape) => self.object(out, shape, subject),
            Recipe::Union { variants, tied } => match variant(variants, subject, *tied) {
                Some(shape) => self.object(out, shape, subject),
                None => out.push_str("null"),
            },
            Recipe::List(element, least, most) => {
                let count = least + below(most - least + 1, mix(subject.salt, LENGTH));
                out.push('[');
                for nth in 0..count {
                    self.part(out, element, subject.part(LENGTH, nth));
                    out.push(',');
                }
                close(out, ']');
            }
            Recipe::Plain(made) => self.value(out, made, LENGTH, subject),
            // The other recipes occur only in copies of records, which `recipe` writes.
            _ => out.push_str("null"),
        }
    }

    fn value(&self, out: &mut String, made: &Plain, name: u64, subject: Subject) {
        value::push(out, made, self.customer, self.oddities, name, subject);
    }

    fn many(
        &self,
        out: &mut String,
        column: &Property,
        tie: usize,
        element: &Recipe,
        subject: Subject,
    ) {
        let Tie { to, about, .. } = self.customer.blueprint.ties[tie];
        out.push('[');
        for index in self.customer.many(tie, subject).as_slice() {
            let other = self.customer.subject(to, *index);
            if self.is_live(other) {
                let about = about.then(|| subject.about(column.salt, other));
                self.part(out, element, about.unwrap_or(other));
                out.push(',');
            }
        }
        close(out, ']');
    }

    /// Returns whether a key's value is null by chance or because another field of the record says so.
    fn is_null(&self, column: &Property, subject: Subject) -> bool {
        if let Some((sibling, wanted)) = &column.when
            && (self.is_null(sibling, subject) || !self.chose(sibling, *wanted, subject))
        {
            return true;
        }
        // Remote ids have a chance of their own, because records are found by remote id.
        column.nulls > 0
            && !matches!(column.recipe, Recipe::RemoteId)
            && percent(column.nulls, mix(mix(subject.salt, column.salt), NULL))
    }

    fn chose(&self, sibling: &Property, wanted: usize, subject: Subject) -> bool {
        match &sibling.recipe {
            Recipe::Plain(Plain::Choice(choice)) => {
                let roll = mix(subject.salt, sibling.salt);
                self.customer.pick(choice, subject, roll) == Some(wanted)
            }
            _ => false,
        }
    }

    fn related(&self, tie: usize, subject: Subject) -> Option<Subject> {
        let index = self.customer.one(tie, subject)?;
        let to = self.customer.blueprint.ties[tie].to;
        Some(self.customer.subject(to, index))
    }

    fn is_live(&self, subject: Subject) -> bool {
        self.customer.deleted(subject).is_none()
    }
}

fn left_out(column: &Property, subject: Subject) -> bool {
    percent(30, mix(mix(subject.salt, column.salt), ABSENT))
}

/// Chooses a variant by its tag. Two tied unions about one record choose the same tag where both have it.
fn variant(variants: &[(u64, Shape)], subject: Subject, tied: bool) -> Option<&Shape> {
    let chosen = if tied {
        let weight = |(tag, _): &&(u64, Shape)| mix(subject.root, *tag);
        variants.iter().max_by_key(weight)
    } else {
        variants.get(at(variants.len(), mix(subject.salt, 14)))
    };
    chosen.map(|(_, shape)| shape)
}

/// Replaces the comma after the last element, if there is one.
fn close(out: &mut String, end: char) {
    if out.ends_with(',') {
        out.pop();
    }
    out.push(end);
}
