//! When a record that is there from the start was made, and when it last changed before the start.
//!
//! Both are computed from the seed. A record with a parent is made after its parent, so that an offer follows its
//! application by days, not by years. Nothing that happens after the start moves either instant.

use std::time::Duration;

use super::blueprint::DAY;
use super::customer::{Customer, Subject, within};
use super::hash::{mix, percent, salt};
use super::relation::{self, REPORTS};
use crate::time::Moment;

/// The life of a record before the start of the world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifespan {
    pub created: Moment,
    /// When the record last changed before the start.
    pub settled: Moment,
}

impl Lifespan {
    /// Returns how long after it was made the record still changed.
    pub(super) fn length(self) -> Duration {
        self.settled.since(self.created)
    }
}

impl Customer {
    /// Returns when a record was made and when it last changed before the start. Both are the same instant for a record
    /// that was made after the start.
    pub(super) fn lifespan(&self, subject: Subject) -> Lifespan {
        if let Some(born) = self.born(subject) {
            return Lifespan {
                created: born,
                settled: born,
            };
        }
        let model = self.model(subject.model);
        let deleted = self.first_deleted(subject);
        let drawn = deleted.unwrap_or_else(|| {
            let roll = mix(subject.root, 13);
            let days = if percent(25, mix(roll, 1)) { 30 } else { 220 };
            self.start - Duration::from_millis(1) - within(days * DAY, roll)
        });
        let roll = mix(subject.root, 12);
        let Some((pattern, parents)) = model.parents else {
            // The product of two chances: many records are young, some are old.
            let most = within(model.reach_back, mix(roll, 1));
            return Lifespan {
                created: drawn - within(most, roll),
                settled: drawn,
            };
        };
        let parent = relation::parent(pattern, subject.index);
        let parent = self.lifespan(self.subject(parents, parent));
        let created = parent.created + within(parent.length().min(model.reach_back), roll);
        match deleted {
            Some(at) => Lifespan {
                created: created.min(at),
                settled: at,
            },
            None => Lifespan {
                created,
                settled: drawn.max(created),
            },
        }
    }

    /// Returns how old a record was at the start.
    pub(super) fn age(&self, subject: Subject) -> Duration {
        self.start.since(self.lifespan(subject).created)
    }

    /// Returns whether an application has led to a job. Applications without an offer never have.
    pub(super) fn is_hired(&self, offers: usize, application: Subject) -> bool {
        let is_of_start = application.index < self.model(application.model).count;
        is_of_start
            && percent(35, mix(application.root, salt("hired")))
            && !self.many(offers, application).as_slice().is_empty()
    }

    /// Returns whether other employees report to this one.
    pub(super) fn is_manager(&self, employee: Subject) -> bool {
        employee.index * REPORTS + 1 < self.model(employee.model).count
    }

    /// Returns whether an employee is hired and has not begun to work.
    pub(super) fn is_starting(&self, employee: Subject) -> bool {
        !self.is_manager(employee)
            && self.age(employee) < 14 * DAY
            && percent(60, mix(employee.root, salt("starting")))
    }
}
