//! The data of one customer: which records there are, how they are linked, and which are deleted. Everything is computed
//! from the seed when a page asks for it. Only records that changed after the start take memory.

use std::sync::Arc;
use std::time::Duration;

use super::blueprint::{Blueprint, RecordModel};
use super::hash::{at, below, mix, percent};
use super::history::History;
use super::relation::{self, Link, Then};
use super::targets::Targets;
use super::ties::Tie;
use crate::time::Moment;

/// Kombo nulls a deleted row this long after its deletion.
pub(super) const ANONYMISED_AFTER: Duration = Duration::from_hours(14 * 24);

/// One record of so many is deleted from the start.
const DELETED_ONE_IN: u64 = 32;

/// The data behind one connection of a customer.
#[derive(Debug)]
pub(super) struct Customer {
    pub blueprint: Arc<Blueprint>,
    pub seed: u64,
    /// The start of the world. The instants in the records are counted back from it.
    pub start: Moment,
    /// Whether deleted rows lose their values after 14 days.
    pub anonymises: bool,
    pub history: History,
}

/// One record, or a part of one, while its values are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub model: usize,
    pub index: u64,
    /// Chance of what never changes in a record: its links and when it was made.
    pub root: u64,
    /// Chance of the values of this part in this edition.
    pub salt: u64,
    /// Chance that all parts of the record share in this edition, such as the name of a person.
    pub owner: u64,
}

impl Subject {
    /// Returns a part of the record: a nested object, or the n-th element of a list.
    pub(super) fn part(self, name: u64, nth: u64) -> Self {
        Self {
            salt: mix(mix(self.salt, name), nth),
            ..self
        }
    }

    /// Returns another record as an element of a list of this record.
    pub(super) fn about(self, name: u64, other: Self) -> Self {
        Self {
            salt: mix(mix(self.salt, name), other.index),
            ..other
        }
    }
}

/// Whether a record is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordState {
    Live,
    Deleted,
    /// Deleted so long ago that the values are null.
    Anonymised,
}

impl Customer {
    /// Returns a model.
    pub(super) fn model(&self, model: usize) -> &RecordModel {
        &self.blueprint.models[model]
    }

    /// Returns the seed of the ids of a model.
    pub(super) fn id_space(&self, model: usize) -> u64 {
        mix(self.seed, self.model(model).id_salt)
    }

    /// Returns a record.
    pub(super) fn subject(&self, model: usize, index: u64) -> Subject {
        let root = mix(mix(self.seed, self.model(model).salt), index);
        let edition = self.history.of(model, index).map_or(0, |past| past.edition);
        let owner = match edition {
            0 => root,
            _ => mix(root, edition),
        };
        Subject {
            model,
            index,
            root,
            salt: owner,
            owner,
        }
    }

    /// Returns how many records a model has at present. Relations that choose among all records choose among the records
    /// of the start only. A later record therefore moves no link of another record.
    pub(super) fn count(&self, model: usize) -> u64 {
        self.model(model).count + self.history.births(model)
    }

    /// Adds a record to a model, after the parents that the record needs. Returns the model and the index of each new
    /// record, parents first.
    pub(super) fn hire(&mut self, model: usize, now: Moment) -> Vec<(usize, u64)> {
        let index = self.count(model);
        let mut made = Vec::new();
        if let Some((pattern, parents)) = self.model(model).parents {
            while self.count(parents) <= relation::parent(pattern, index) {
                made.extend(self.hire(parents, now));
            }
        }
        self.history.born.entry(model).or_default().push(now);
        made.push((model, index));
        made
    }

    /// Returns whether a record is there at an instant.
    pub(super) fn state(&self, subject: Subject, now: Moment) -> RecordState {
        match self.deleted(subject) {
            Some(at) if self.anonymises && now.since(at) >= ANONYMISED_AFTER => {
                RecordState::Anonymised
            }
            Some(_) => RecordState::Deleted,
            None => RecordState::Live,
        }
    }

    /// Returns when a record was deleted, or when its model was switched off.
    pub(super) fn deleted(&self, subject: Subject) -> Option<Moment> {
        let own = self.own_deleted(subject);
        own.or_else(|| self.history.off_since(subject.model))
    }

    fn own_deleted(&self, subject: Subject) -> Option<Moment> {
        let past = self.history.of(subject.model, subject.index);
        past.and_then(|past| past.deleted)
            .or_else(|| self.first_deleted(subject))
    }

    /// Returns when a record was deleted that is deleted from the start.
    pub(super) fn first_deleted(&self, subject: Subject) -> Option<Moment> {
        let model = self.model(subject.model);
        // One record of each block is deleted, so that even a short table has deleted records.
        let (block, slot) = (
            subject.index / DELETED_ONE_IN,
            subject.index % DELETED_ONE_IN,
        );
        let roll = mix(mix(self.seed, model.salt), !block);
        if !model.deletable || subject.index >= model.count || slot != below(DELETED_ONE_IN, roll) {
            return None;
        }
        let roll = mix(subject.root, 11);
        // No record is deleted between 13 and 14 days before the start. So no row is anonymised on the first day of a run,
        // and a truth that was dumped before the run stays true.
        let days_ago = if self.anonymises && percent(40, mix(roll, 1)) {
            15 + below(180, roll)
        } else {
            1 + below(12, roll)
        };
        let days_ago = Duration::from_hours(24 * days_ago);
        Some(self.start - days_ago + within(Duration::from_secs(86_000), mix(roll, 2)))
    }

    /// Returns when a record was made, if it was made after the start.
    pub(super) fn born(&self, subject: Subject) -> Option<Moment> {
        let nth = subject.index.checked_sub(self.model(subject.model).count)?;
        let born = self.history.born.get(&subject.model)?;
        born.get(usize::try_from(nth).ok()?).copied()
    }

    /// Returns when the own values of a record last changed.
    pub(super) fn changed(&self, subject: Subject) -> Moment {
        let own = self.own_changed(subject);
        match self.history.scopes.get(&subject.model) {
            Some(scope) if self.own_deleted(subject).is_none() => own.max(scope.since),
            _ => own,
        }
    }

    fn own_changed(&self, subject: Subject) -> Moment {
        let past = self.history.of(subject.model, subject.index);
        past.map_or_else(|| self.lifespan(subject).settled, |past| past.at)
    }

    /// Returns the related record of a relation to one.
    pub(super) fn one(&self, tie: usize, subject: Subject) -> Option<u64> {
        let tie = &self.blueprint.ties[tie];
        let count = self.model(tie.to).count;
        let roll = mix(subject.root, tie.salt);
        if count == 0 || percent(tie.none, mix(roll, 1)) {
            return None;
        }
        match tie.link {
            Link::Parent(pattern) => Some(relation::parent(pattern, subject.index)),
            Link::Pick => Some(below(count, roll)),
            Link::PickLive => {
                let first = below(count, roll);
                let mut next = (0..count.min(4)).map(|step| (first + step) % count);
                let is_live = |index: &u64| {
                    let other = self.subject(tie.to, *index);
                    self.first_deleted(other).is_none()
                };
                next.find(is_live).or(Some(first))
            }
            Link::Tree(children) => self.above(tie.to, subject.index, children),
            Link::Via(Then::Through, via, then) => self.one(then, self.step(via, subject)?),
            Link::Via(pick, via, then) => {
                let list = self.many(then, self.step(via, subject)?);
                let list = list.as_slice();
                let nth = if pick == Then::OneOf {
                    at(list.len(), roll)
                } else {
                    0
                };
                list.get(nth).copied()
            }
            Link::Itself | Link::Same(_) => Some(subject.index),
            Link::Child(_) | Link::Several(..) | Link::Every(..) => {
                self.many_of(tie, subject).as_slice().first().copied()
            }
        }
    }

    /// Returns the related records of a relation to many.
    pub(super) fn many(&self, tie: usize, subject: Subject) -> Targets {
        self.many_of(&self.blueprint.ties[tie], subject)
    }

    fn many_of(&self, tie: &Tie, subject: Subject) -> Targets {
        let count = self.model(tie.to).count;
        let mut targets = Targets::default();
        match tie.link {
            Link::Child(pattern) => {
                for child in relation::children(pattern, subject.index) {
                    if child < self.count(tie.to) {
                        targets.push(child);
                    }
                }
            }
            Link::Several(least, most) if count > 0 => {
                let roll = mix(subject.root, tie.salt);
                let wanted = least + below(most - least + 1, roll);
                for nth in 0..wanted {
                    targets.push(below(count, mix(roll, nth)));
                }
            }
            Link::Every(most, step, rest) => {
                let roll = mix(subject.root, tie.salt);
                for nth in 0..below(most + 1, roll) {
                    targets.push(below(count / step, mix(roll, nth)) * step + rest);
                }
                targets.keep(|index| index < count);
            }
            Link::Via(Then::All, via, then) => {
                if let Some(other) = self.step(via, subject) {
                    targets = self.many(then, other);
                }
            }
            _ => {}
        }
        targets
    }

    /// Returns the nearest record above another one in a tree that was not deleted at the start.
    fn above(&self, model: usize, index: u64, children: u64) -> Option<u64> {
        let mut above = index.checked_sub(1)? / children;
        while self.first_deleted(self.subject(model, above)).is_some() {
            above = above.checked_sub(1)? / children;
        }
        Some(above)
    }

    fn step(&self, via: usize, subject: Subject) -> Option<Subject> {
        let index = self.one(via, subject)?;
        Some(self.subject(self.blueprint.ties[via].to, index))
    }
}

/// Returns a random part of a span.
pub(super) fn within(span: Duration, roll: u64) -> Duration {
    let millis = u64::try_from(span.as_millis()).expect("a few centuries");
    Duration::from_millis(below(millis, roll))
}
