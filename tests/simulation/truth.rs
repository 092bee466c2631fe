//! What is true at Kombo: the records of every customer, with all versions that they ever had.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::clocks::shown;

/// After this time all fields of a deleted record are null (Kombo's documentation).
const ANONYMISED_AFTER_MS: i64 = 14 * 24 * 3_600_000;

/// The endpoints of the world, each with the model that its webhooks name.
pub(crate) const ENDPOINTS: [Listed; 4] = [
    Listed {
        name: "ats/tags",
        category: "ATS",
        model: "ats_tags",
    },
    Listed {
        name: "ats/rejection-reasons",
        category: "ATS",
        model: "ats_rejection_reasons",
    },
    Listed {
        name: "hris/employee-document-categories",
        category: "HRIS",
        model: "hris_employee_document_categories",
    },
    Listed {
        name: "hris/absence-types",
        category: "HRIS",
        model: "hris_absence_types",
    },
];

/// An endpoint of the world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    /// Its name, which is its path below the version.
    pub(crate) name: &'static str,
    /// The category of the integrations that have it.
    pub(crate) category: &'static str,
    /// The model of its records.
    pub(crate) model: &'static str,
}

/// One state of a record, from the instant at which Kombo shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Counts the versions of the record from 1.
    pub(crate) number: u32,
    /// What the record tells as the instant of its change.
    pub(crate) changed_ms: i64,
    /// From when on Kombo lists the version.
    pub(crate) visible_ms: i64,
    /// What the version is.
    pub(crate) form: Form,
}

/// What a version of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An ordinary row.
    Live,
    /// A row with `remote_deleted_at`, at this instant.
    Deleted(i64),
    /// Not listed any more.
    Vanished,
}

/// A record with its history.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Names the table and the record, so that a row can be told from the rows of all others.
    pub(crate) id: String,
    /// The versions, oldest first.
    pub(crate) versions: Vec<Version>,
}

impl Record {
    /// Returns the version that Kombo shows at an instant.
    pub(crate) fn at(&self, now_ms: i64) -> Option<&Version> {
        let visible = |version: &&Version| version.visible_ms <= now_ms;
        self.versions.iter().rev().find(visible)
    }

    /// Adds a version. A version never becomes visible before the one before it.
    pub(crate) fn change(&mut self, changed_ms: i64, visible_ms: i64, form: Form) {
        let last = self.versions.last();
        self.versions.push(Version {
            number: last.map_or(1, |last| last.number + 1),
            changed_ms,
            visible_ms: visible_ms.max(last.map_or(0, |last| last.visible_ms)),
            form,
        });
    }

    /// Returns the row that a list shows. `None` where the record is not listed.
    pub(crate) fn row(&self, now_ms: i64) -> Option<Row<'_>> {
        let version = self.at(now_ms)?;
        let is_anonymised = match version.form {
            Form::Vanished => return None,
            Form::Live => false,
            Form::Deleted(at_ms) => now_ms >= at_ms + ANONYMISED_AFTER_MS,
        };
        Some(Row {
            record: self,
            version,
            is_anonymised,
        })
    }
}

/// A record as a list shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// The record.
    pub(crate) record: &'a Record,
    /// The version that is shown.
    pub(crate) version: &'a Version,
    is_anonymised: bool,
}

impl Row<'_> {
    /// Returns the instant that a filter by `updated_after` compares. An anonymised row has none.
    pub(crate) fn changed_ms(&self) -> Option<i64> {
        (!self.is_anonymised).then_some(self.version.changed_ms)
    }

    /// Returns whether the row has `remote_deleted_at`.
    pub(crate) fn is_deleted(&self) -> bool {
        matches!(self.version.form, Form::Deleted(_))
    }

    /// Returns the JSON of the row.
    pub(crate) fn json(&self) -> Value {
        let told = |value: Value| {
            if self.is_anonymised {
                Value::Null
            } else {
                value
            }
        };
        let deleted = match self.version.form {
            Form::Deleted(at_ms) => shown(at_ms).into(),
            Form::Live | Form::Vanished => Value::Null,
        };
        json!({
            "id": self.record.id,
            "remote_id": told(format!("r-{}", self.record.id).into()),
            "name": told(format!("{} v{}", self.record.id, self.version.number).into()),
            "changed_at": told(shown(self.version.changed_ms).into()),
            "remote_deleted_at": deleted,
            "remote_data": null,
        })
    }
}

/// Returns the number of the version that a `name` tells.
pub(crate) fn version_in(name: &str) -> Option<u32> {
    name.rsplit_once(" v")?.1.parse().ok()
}

/// What Kombo answers for an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Rows.
    Active,
    /// `INTEGRATION.INACTIVE`.
    Inactive,
    /// `INTEGRATION.AUTHENTICATION_INVALID`.
    LoginRefused,
}

/// A customer.
#[derive(Debug)]
pub(crate) struct Customer {
    /// The id of the integration.
    pub(crate) id: String,
    /// The category, in upper case.
    pub(crate) category: &'static str,
    /// What Kombo answers.
    pub(crate) standing: Standing,
    /// The records of each endpoint, in the order of their creation.
    pub(crate) tables: BTreeMap<&'static str, Table>,
}

/// One endpoint of a customer.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The records that ever were.
    pub(crate) records: Vec<Record>,
    /// Whether the customer switched the model off.
    pub(crate) is_off: bool,
}

impl Table {
    /// Returns the record with an id.
    pub(crate) fn find(&self, id: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.id == id)
    }
}

/// All customers of the key. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Truth(Arc<Mutex<Vec<Customer>>>);

impl Truth {
    /// Makes customers of both categories in turn, each with some records per table.
    pub(crate) fn new(customers: usize, records: impl FnMut() -> u64, start_ms: i64) -> Self {
        let mut records = records;
        let customer = |nth: usize| {
            let category = ["ATS", "HRIS"][nth % 2];
            let tool = ["greenhouse", "personio"][nth % 2];
            let own = ENDPOINTS
                .iter()
                .filter(|listed| listed.category == category);
            let mut tables = BTreeMap::new();
            for listed in own {
                let mut table = Table::default();
                for _ in 0..records() {
                    table.create(nth, listed.name, start_ms - 3_600_000, start_ms - 3_600_000);
                }
                tables.insert(listed.name, table);
            }
            Customer {
                id: format!("{tool}:customer{nth:016}"),
                category,
                standing: Standing::Active,
                tables,
            }
        };
        Self(Arc::new(Mutex::new((0..customers).map(customer).collect())))
    }

    /// Waits for the customers.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Customer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Creates a record, and returns its id.
    pub(crate) fn create(
        &mut self,
        customer: usize,
        endpoint: &str,
        changed_ms: i64,
        visible_ms: i64,
    ) -> String {
        let number = self.records.len();
        // Not in the order of creation, so that walks by id and walks by time differ.
        let order = crate::dice::mixed(7, (customer, endpoint, number)) % 10_000;
        let name = endpoint.replace('/', "-");
        let id = format!("{order:04}-{customer}-{name}-{number}");
        let mut record = Record {
            id: id.clone(),
            versions: Vec::new(),
        };
        record.change(changed_ms, visible_ms, Form::Live);
        self.records.push(record);
        id
    }
}
