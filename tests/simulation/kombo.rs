//! Kombo's side of a request: the state of the customers as an HTTP answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use url::Url;

use crate::clocks::{Clocks, shown};
use crate::truth::{Customer, ENDPOINTS, Row, Standing, Table, Truth};

/// How an endpoint orders its pages, and what its cursors mean. Kombo documents neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    /// In the order of ids; a cursor is the last id of a page.
    Ids,
    /// In the order of ids; a cursor is a number of rows.
    Offsets,
    /// In the order of `changed_at`; a cursor is a number of rows.
    Changes,
}

/// The ways in which an answer is not what the documentation says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lies {
    /// Leaves out every second record that `ids` asks for.
    pub(crate) ids: bool,
    /// Tells that the page is the last one.
    pub(crate) is_last: bool,
}

/// A request, as far as an answer depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The path below the version.
    pub(crate) path: String,
    /// The integration that the header names.
    pub(crate) integration: Option<String>,
    /// The instant of `updated_after`, in milliseconds.
    pub(crate) updated_after_ms: Option<i64>,
    /// The records of `ids`.
    pub(crate) ids: Vec<String>,
    cursor: Option<String>,
    page_size: usize,
    includes_deleted: bool,
}

/// An answer with its body, before anything happens to it on the way.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: String,
}

impl Asked {
    /// Reads a request.
    pub(crate) fn read(url: &Url, integration: Option<&str>) -> Self {
        let value = |name: &str| {
            let mut pairs = url.query_pairs();
            pairs
                .find(|(given, _)| given == name)
                .map(|(_, value)| value.into_owned())
        };
        let ids = value("ids").unwrap_or_default();
        Self {
            path: url.path().trim_start_matches("/v1").to_owned(),
            integration: integration.map(str::to_owned),
            updated_after_ms: value("updated_after")
                .and_then(|text| micros(&text))
                .map(|at| at / 1_000),
            ids: ids
                .split(',')
                .filter(|id| !id.is_empty())
                .map(str::to_owned)
                .collect(),
            includes_deleted: value("include_deleted").as_deref() == Some("true"),
            cursor: value("cursor"),
            page_size: value("page_size")
                .and_then(|size| size.parse().ok())
                .unwrap_or(100),
        }
    }

    /// Returns whether the request asks for rows.
    pub(crate) fn is_list(&self) -> bool {
        self.integration.is_some()
    }

    /// Writes the request for the story.
    pub(crate) fn shown(&self) -> String {
        let customer = self.integration.as_deref().unwrap_or_default();
        let after = self
            .updated_after_ms
            .map_or_else(String::new, |at| format!(" after {}", shown(at)));
        let cursor = self
            .cursor
            .as_deref()
            .map_or_else(String::new, |at| format!(" from {at}"));
        let ids = if self.ids.is_empty() {
            String::new()
        } else {
            format!(" {} ids", self.ids.len())
        };
        format!("{customer} {}{after}{ids}{cursor}", self.path)
    }

    /// Answers from the truth, as it is now.
    pub(crate) fn answer(
        &self,
        truth: &Truth,
        paging: Paging,
        lies: Lies,
        clocks: &Clocks,
    ) -> Answer {
        let customers = truth.lock();
        if self.path == "/check-api-key" {
            return success(&json!({"environment_id": "simulated"}));
        }
        if let Some(id) = self.path.strip_prefix("/integrations/") {
            let id = id.replace("%3A", ":");
            return match customers.iter().find(|customer| customer.id == id) {
                Some(customer) => success(&details(customer)),
                None => refusal(404, "PLATFORM.INTEGRATION_NOT_FOUND"),
            };
        }
        let mut known = customers.iter();
        let named = |customer: &&Customer| Some(&customer.id) == self.integration.as_ref();
        let Some(customer) = known.find(named) else {
            return refusal(404, "PLATFORM.INTEGRATION_NOT_FOUND");
        };
        match customer.standing {
            Standing::Active => {}
            Standing::Inactive => return refusal(409, "INTEGRATION.INACTIVE"),
            Standing::LoginRefused => return refusal(401, "INTEGRATION.AUTHENTICATION_INVALID"),
        }
        match customer.tables.get(self.path.trim_start_matches('/')) {
            None => refusal(404, "INTEGRATION.MODEL_NOT_AVAILABLE"),
            Some(table) if table.is_off => refusal(403, "INTEGRATION.MODEL_DISABLED"),
            Some(table) => self.page(table, paging, lies, clocks),
        }
    }

    fn page(&self, table: &Table, paging: Paging, lies: Lies, clocks: &Clocks) -> Answer {
        let now_ms = clocks.true_now();
        let wanted: BTreeSet<&str> = self.ids.iter().map(String::as_str).collect();
        let left_out = |id: &str| lies.ids && crate::dice::mixed(1, id).is_multiple_of(2);
        let is_wanted = |row: &Row<'_>| {
            let id = row.record.id.as_str();
            if row.is_deleted() && !self.includes_deleted {
                return false;
            }
            let by_ids = wanted.is_empty() || (wanted.contains(id) && !left_out(id));
            let after = self.updated_after_ms;
            by_ids && after.is_none_or(|after| row.changed_ms().is_some_and(|at| at > after))
        };
        let rows = table.records.iter().filter_map(|record| record.row(now_ms));
        let mut rows: Vec<Row<'_>> = rows.filter(is_wanted).collect();
        match paging {
            Paging::Ids | Paging::Offsets => rows.sort_by(|a, b| a.record.id.cmp(&b.record.id)),
            Paging::Changes => rows.sort_by_key(|row| (row.changed_ms(), row.record.id.clone())),
        }
        let start = match (&self.cursor, paging) {
            (None, _) => 0,
            (Some(last), Paging::Ids) => {
                rows.partition_point(|row| row.record.id.as_str() <= last.as_str())
            }
            (Some(offset), _) => offset.parse().unwrap_or(0),
        };
        let page: Vec<&Row<'_>> = rows.iter().skip(start).take(self.page_size).collect();
        let end = start + page.len();
        let next = (end < rows.len() && !lies.is_last).then(|| match paging {
            Paging::Ids => page
                .last()
                .map_or_else(String::new, |row| row.record.id.clone()),
            Paging::Offsets | Paging::Changes => end.to_string(),
        });
        let results: Vec<Value> = page.iter().map(|row| row.json()).collect();
        success(&json!({"next": next, "results": results}))
    }
}

/// Returns an answer in Kombo's error envelope.
pub(crate) fn refusal(status: u16, code: &str) -> Answer {
    let error = json!({"code": code, "title": code, "message": "refused", "log_url": null});
    Answer {
        status,
        body: json!({"status": "error", "error": error}).to_string(),
    }
}

fn success(data: &Value) -> Answer {
    Answer {
        status: 200,
        body: json!({"status": "success", "data": data}).to_string(),
    }
}

fn details(customer: &Customer) -> Value {
    let (tool, _) = customer.id.split_once(':').unwrap_or((&customer.id, ""));
    let status = match customer.standing {
        Standing::Active => "ACTIVE",
        Standing::Inactive => "INACTIVE",
        Standing::LoginRefused => "INVALID",
    };
    let own = ENDPOINTS
        .iter()
        .filter(|listed| listed.category == customer.category);
    let models = own.map(|listed| {
        let is_off = customer
            .tables
            .get(listed.name)
            .is_some_and(|table| table.is_off);
        let setting = if is_off { "DISABLED" } else { "ENABLED" };
        json!({
            "id": listed.model, "is_available": !is_off, "coverage_status": "SUPPORTED",
            "scope_config_setting": setting, "opted_out_by_customer": false, "fields": [],
        })
    });
    json!({
        "id": customer.id, "tool": {"id": tool}, "category": customer.category, "status": status,
        "setup_status": "COMPLETED", "data_expired_at": null, "read_models": models.collect::<Vec<_>>(),
        "end_user": {"organization_name": "A customer", "origin_id": customer.id},
    })
}

/// Reads an instant as `updated_after` has it, in microseconds.
fn micros(text: &str) -> Option<i64> {
    kombo_source::time::parse_instant(text)
}
