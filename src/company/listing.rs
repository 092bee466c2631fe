//! Pages of an endpoint: filters, cursor and page size.

use std::collections::BTreeSet;

use super::blueprint::Listing;
use super::customer::{Customer, RecordState, Subject};
use super::hash::{mix, salt};
use super::identity;
use super::refusal::Refusal;
use super::render::Writer;
use super::request::ListQuery;
use super::text::push_all;
use crate::time::Moment;

/// Rows of a page of an endpoint that declares no page size and sends a cursor.
const UNDECLARED_PAGE: u32 = 100;

/// Which records a page shows.
struct Filter<'a> {
    customer: &'a Customer,
    listing: &'a Listing,
    now: Moment,
    updated_after: Option<i64>,
    include_deleted: bool,
}

/// Returns the body of the page that a query asks for.
pub(super) fn page(
    writer: &Writer<'_>,
    listing: &Listing,
    query: &ListQuery,
    unknown_ids_fail: bool,
) -> Result<String, Refusal> {
    check(listing, query)?;
    let customer = writer.customer;
    let count = customer.count(listing.model);
    let start = match &query.cursor {
        None => 0,
        Some(cursor) => identity::find(cursor, cursor_space(customer, listing), count)
            .ok_or_else(|| Refusal::input_invalid("The cursor is not valid."))?,
    };
    let filter = Filter {
        customer,
        listing,
        now: writer.now,
        updated_after: query.updated_after,
        include_deleted: query
            .include_deleted
            .unwrap_or(!listing.endpoint.include_deleted),
    };
    let size = page_size(listing, query);
    let (rows, next) = match chosen(writer, listing, query, unknown_ids_fail)? {
        Some(indexes) => filter.take(indexes.into_iter().filter(|index| *index >= start), size),
        None if filter.is_hopeless() => (Vec::new(), None),
        None => filter.take(start..count, size),
    };
    Ok(body(writer, listing, &rows, next))
}

/// Returns every record of an endpoint, as a full fetch with `include_deleted` shows it.
pub(super) fn all<'a>(
    writer: Writer<'a>,
    listing: &'a Listing,
) -> impl Iterator<Item = String> + 'a {
    let count = writer.customer.count(listing.model);
    (0..count).map(move |index| {
        let mut line = String::new();
        let subject = writer.customer.subject(listing.model, index);
        writer.record(&mut line, &listing.shape, subject);
        line
    })
}

impl Filter<'_> {
    /// Returns the records of a page, and the index of the first record of the next page.
    fn take(&self, indexes: impl Iterator<Item = u64>, size: usize) -> (Vec<Subject>, Option<u64>) {
        let mut rows = Vec::new();
        for index in indexes {
            let subject = self.customer.subject(self.listing.model, index);
            if !self.shows(subject) {
                continue;
            }
            if rows.len() == size {
                return (rows, Some(index));
            }
            rows.push(subject);
        }
        (rows, None)
    }

    fn shows(&self, subject: Subject) -> bool {
        let state = self.customer.state(subject, self.now);
        if !self.include_deleted && state != RecordState::Live {
            return false;
        }
        let Some(after) = self.updated_after else {
            return true;
        };
        // `changed_at` is null. Kombo does not document whether `updated_after` returns a row that turned null. Here it does
        // not, which is the harder case for a client.
        if state == RecordState::Anonymised {
            return false;
        }
        let (mut reach, mut linked) = (self.listing.reach.iter(), self.listing.linked.iter());
        self.changed_since(subject, after)
            || reach.any(|tie| self.related_changed_since(*tie, subject, after))
            || linked.any(|tie| self.link_changed_since(*tie, subject, after))
    }

    fn related_changed_since(&self, tie: usize, subject: Subject, after: i64) -> bool {
        let to = self.customer.blueprint.ties[tie].to;
        let changed = |index: u64| self.changed_since(self.customer.subject(to, index), after);
        let many = self.customer.many(tie, subject);
        many.as_slice().iter().any(|index| changed(*index))
            || (many.as_slice().is_empty() && self.customer.one(tie, subject).is_some_and(changed))
    }

    /// Returns whether a linked record was made or deleted since. A link never moves from one record to another.
    fn link_changed_since(&self, tie: usize, subject: Subject, after: i64) -> bool {
        let history = &self.customer.history;
        if history.is_empty() {
            return false;
        }
        let to = self.customer.blueprint.ties[tie].to;
        let many = self.customer.many(tie, subject);
        many.as_slice().iter().any(|index| {
            let other = self.customer.subject(to, *index);
            let (came, gone) = (self.customer.born(other), self.customer.deleted(other));
            let switched = history.scopes.get(&to).map(|scope| scope.since);
            let latest = came.max(gone).max(switched);
            latest.is_some_and(|at| is_after(at, after))
        })
    }

    fn changed_since(&self, subject: Subject, after: i64) -> bool {
        is_after(self.customer.changed(subject), after)
    }

    /// Returns whether no record can match: nothing changed since the start, and `updated_after` is later.
    fn is_hopeless(&self) -> bool {
        let Customer { history, start, .. } = self.customer;
        history.is_empty()
            && self
                .updated_after
                .is_some_and(|after| !is_after(*start, after))
    }
}

/// Compares with microseconds: `updated_after` may have them.
fn is_after(at: Moment, micros: i64) -> bool {
    at.as_millis().saturating_mul(1000) > micros
}

/// Refuses parameters that the endpoint does not have.
fn check(listing: &Listing, query: &ListQuery) -> Result<(), Refusal> {
    let endpoint = &listing.endpoint;
    let foreign = (query.updated_after.is_some() && !endpoint.updated_after)
        || (query.include_deleted.is_some() && !endpoint.include_deleted)
        || (query.ids.is_some() && !endpoint.ids)
        || (query.remote_ids.is_some() && !endpoint.remote_ids)
        || (query.page_size.is_some() && endpoint.page_size.is_none());
    if foreign {
        return Err(Refusal::input_invalid("Unknown query parameter."));
    }
    if let (Some(size), Some(allowed)) = (query.page_size, endpoint.page_size)
        && !(1..=allowed.max).contains(&size)
    {
        return Err(Refusal::input_invalid("page_size is out of range."));
    }
    Ok(())
}

fn page_size(listing: &Listing, query: &ListQuery) -> usize {
    let size = match (query.page_size, listing.endpoint.page_size) {
        (Some(size), _) => size,
        (None, Some(declared)) => declared.default,
        // Sent in one piece.
        (None, None) if is_single(listing) => u32::MAX,
        (None, None) => UNDECLARED_PAGE,
    };
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// Returns whether the endpoint sends all rows in one answer: the one endpoint whose rows are not below `results`.
fn is_single(listing: &Listing) -> bool {
    listing.endpoint.results != "results"
}

/// Returns the records that `ids` and `remote_ids` name, in order; `None` when neither is there.
fn chosen(
    writer: &Writer<'_>,
    listing: &Listing,
    query: &ListQuery,
    unknown_ids_fail: bool,
) -> Result<Option<Vec<u64>>, Refusal> {
    let customer = writer.customer;
    let count = customer.count(listing.model);
    let all = |ids: &Vec<String>, find: &dyn Fn(&str) -> Option<u64>| -> Vec<Option<u64>> {
        ids.iter().map(|id| find(id)).collect()
    };
    let space = customer.id_space(listing.model);
    let by_id = query.ids.as_ref();
    let by_id = by_id.map(|ids| all(ids, &|id| identity::find(id, space, count)));
    if unknown_ids_fail && by_id.iter().flatten().any(Option::is_none) {
        return Err(Refusal::without_code(404));
    }
    let by_remote = query.remote_ids.as_ref();
    let by_remote = by_remote.map(|ids| all(ids, &|id| with_remote_id(writer, listing, id)));
    let indexes = match (by_id, by_remote) {
        (None, None) => return Ok(None),
        (Some(found), None) | (None, Some(found)) => found,
        (Some(mut found), Some(remote)) => {
            found.retain(|index| remote.contains(index));
            found
        }
    };
    let indexes: BTreeSet<u64> = indexes.into_iter().flatten().collect();
    Ok(Some(indexes.into_iter().collect()))
}

fn with_remote_id(writer: &Writer<'_>, listing: &Listing, text: &str) -> Option<u64> {
    let model = writer.customer.model(listing.model);
    let number: u64 = text.strip_prefix(model.remote_prefix)?.parse().ok()?;
    let count = writer.customer.count(listing.model);
    let index = number.checked_sub(1000).filter(|index| *index < count)?;
    let subject = writer.customer.subject(listing.model, index);
    let mut columns = listing.shape.columns.iter();
    let column = columns.find(|column| column.name == "remote_id")?;
    let mut written = String::new();
    writer.remote_id(&mut written, subject, column.nulls > 0);
    (written.trim_matches('"') == text).then_some(index)
}

fn body(writer: &Writer<'_>, listing: &Listing, rows: &[Subject], next: Option<u64>) -> String {
    let mut out = String::with_capacity(128 + rows.len() * 3_000);
    out.push_str("{\"status\":\"success\",\"data\":{");
    match next {
        _ if is_single(listing) => {}
        None => out.push_str("\"next\":null,"),
        Some(index) => {
            let cursor = identity::id(cursor_space(writer.customer, listing), index);
            push_all(&mut out, ["\"next\":\"", &cursor, "\","]);
        }
    }
    push_all(&mut out, ["\"", &listing.endpoint.results, "\":["]);
    for (nth, subject) in rows.iter().enumerate() {
        if nth > 0 {
            out.push(',');
        }
        writer.record(&mut out, &listing.shape, *subject);
    }
    out.push_str("]}}");
    out
}

/// Returns the seed of cursors. A cursor is valid for one endpoint of one integration only.
fn cursor_space(customer: &Customer, listing: &Listing) -> u64 {
    mix(
        customer.id_space(listing.model),
        salt(listing.endpoint.name().as_str()) ^ salt("cursor"),
    )
}
