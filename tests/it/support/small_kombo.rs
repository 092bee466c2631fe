//! A stand-in for Kombo with one table and a few rows, in virtual time. The test decides the history of every row, the
//! order of the pages and the delays. A cursor is an offset into the list at the time of the request, so rows shift
//! between pages.

mod answers;
mod last_page;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kombo_source::api::{ApiError, PageRequest};
use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::ids::{IntegrationId, TableId};
use kombo_source::time::UpdatedAfter;
use tokio::time::{Instant, sleep};

pub(crate) use last_page::LastPage;

/// The clock of the stand-in at the start.
pub(crate) const NOON: i64 = 1_700_000_000_000;

/// The order in which rows are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// A row keeps its place unless other rows come or go.
    ById,
    /// A row that changes moves to the end.
    ByChange,
}

#[derive(Clone)]
pub(crate) struct SmallKombo {
    state: Arc<Mutex<State>>,
    started: Instant,
}

struct State {
    rows: BTreeMap<String, Row>,
    listing: Listing,
    page_size: usize,
    unknown_ids_fail: bool,
    /// The longest time that a request takes in each direction.
    delay_ms: u64,
    random: fastrand::Rng,
    asked: Vec<Asked>,
    /// An error that is answered once, after this many pages.
    refusal: Option<(usize, u16, &'static str)>,
    /// An error that is answered to every request for ids.
    ids_refusal: Option<(u16, &'static str)>,
    ids: IdsFilter,
    /// A walk over all rows ends after this many rows, as if there were no more.
    cut_after: Option<usize>,
    last_page: LastPage,
    /// A change of the rows right after the n-th page from now.
    after_page: Option<(usize, Change)>,
}

/// The answer to a request for ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdsFilter {
    /// The rows that were asked for.
    Heeded,
    /// All rows.
    Ignored,
    /// No rows, with status 200.
    Empty,
    /// Status 404.
    NotFound,
    /// The first half of the rows, as if there were no more.
    Halved,
}

type Change = Box<dyn FnOnce(&mut Rows<'_>) + Send>;

/// The rows of the table, to be changed.
pub(crate) struct Rows<'a> {
    rows: &'a mut BTreeMap<String, Row>,
    now_ms: i64,
}

struct Row {
    value: u64,
    changed_ms: i64,
    deleted: bool,
}

/// A request as the stand-in answered it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) updated_after: Option<i64>,
    pub(crate) ids: usize,
    pub(crate) first_page: bool,
}

pub(crate) fn tags() -> Arc<Endpoint> {
    Arc::clone(Catalog::embedded().find("ats/tags").unwrap())
}

/// Returns the endpoint of the table without the filter `ids`.
pub(crate) fn tags_without_ids() -> Arc<Endpoint> {
    let text = include_str!("../../../schemas/ats/tags.json");
    let text = text.replace("\"ids\": true", "\"ids\": false");
    let catalog = Catalog::from_texts([("tags.json".to_owned(), text)]).unwrap();
    Arc::clone(&catalog.endpoints()[0])
}

pub(crate) fn table() -> TableId {
    TableId {
        integration: IntegrationId::new("tool:a").unwrap(),
        endpoint: tags().name().clone(),
    }
}

impl SmallKombo {
    pub(crate) fn new(listing: Listing, page_size: usize) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                rows: BTreeMap::new(),
                listing,
                page_size,
                unknown_ids_fail: false,
                delay_ms: 0,
                random: fastrand::Rng::with_seed(1),
                asked: Vec::new(),
                refusal: None,
                ids_refusal: None,
                ids: IdsFilter::Heeded,
                cut_after: None,
                last_page: LastPage::Ends,
                after_page: None,
            })),
            started: Instant::now(),
        }
    }

    /// Makes requests take up to `delay_ms` in each direction.
    pub(crate) fn with_delays(self, delay_ms: u64, seed: u64) -> Self {
        {
            let mut state = self.state();
            state.delay_ms = delay_ms;
            state.random = fastrand::Rng::with_seed(seed);
        }
        self
    }

    /// Answers 404 to a request that names an unknown id.
    pub(crate) fn with_unknown_ids_failing(self) -> Self {
        self.state().unknown_ids_fail = true;
        self
    }

    pub(crate) fn now_ms(&self) -> i64 {
        NOON + i64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    /// Sets the value of a row now.
    pub(crate) fn set(&self, id: &str, value: u64) {
        self.change(|rows| rows.set(id, value));
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Rows<'_>)) {
        let now_ms = self.now_ms();
        let rows = &mut self.state().rows;
        change(&mut Rows { rows, now_ms });
    }

    /// Changes rows right after the n-th page from now was read.
    pub(crate) fn change_after_page(
        &self,
        page: usize,
        change: impl FnOnce(&mut Rows<'_>) + Send + 'static,
    ) {
        self.state().after_page = Some((page, Box::new(change)));
    }

    /// Answers one request with an error, after `pages` pages.
    pub(crate) fn refuse_after(&self, pages: usize, status: u16, code: &'static str) {
        self.state().refusal = Some((pages, status, code));
    }

    /// Answers requests for ids with an error from now on.
    pub(crate) fn refuse_ids(&self, status: u16, code: &'static str) {
        self.state().ids_refusal = Some((status, code));
    }

    /// Answers requests for ids normally again.
    pub(crate) fn answer_ids(&self) {
        self.state().ids_refusal = None;
    }

    /// Answers requests for ids according to `filter` from now on.
    pub(crate) fn filter_ids(&self, filter: IdsFilter) {
        self.state().ids = filter;
    }

    /// Ends walks over all rows after `rows` rows from now on.
    pub(crate) fn cut_after(&self, rows: Option<usize>) {
        self.state().cut_after = rows;
    }

    /// Sets what follows the last row from now on.
    pub(crate) fn last_page(&self, last_page: LastPage) {
        self.state().last_page = last_page;
    }

    pub(crate) async fn pass(&self, secs: u64) {
        sleep(Duration::from_secs(secs)).await;
    }

    /// Returns what a full fetch would show now.
    pub(crate) fn truth(&self) -> BTreeMap<String, String> {
        let state = self.state();
        let rows = state.rows.iter();
        rows.map(|(id, row)| (id.clone(), row.shown())).collect()
    }

    /// Returns what a request for changes would show, all pages together.
    pub(crate) fn changed_after(&self, after_ms: Option<i64>) -> BTreeMap<String, String> {
        let state = self.state();
        let rows = state.rows.iter();
        let rows = rows.filter(|(_, row)| after_ms.is_none_or(|after| row.changed_ms > after));
        rows.map(|(id, row)| (id.clone(), row.shown())).collect()
    }

    /// Returns the cursor that follows `cursor` in a walk over all rows.
    pub(crate) fn cursor_after(&self, cursor: Option<usize>) -> Option<usize> {
        let state = self.state();
        state.next_page(cursor.unwrap_or(0), state.rows.len())
    }

    /// Returns the requests since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn delay(&self) {
        let delay = {
            let state = &mut *self.state();
            let most = state.delay_ms;
            (most > 0).then(|| state.random.u64(0..most))
        };
        if let Some(millis) = delay {
            sleep(Duration::from_millis(millis)).await;
        }
    }
}

impl Rows<'_> {
    pub(crate) fn set(&mut self, id: &str, value: u64) {
        self.set_ago(id, value, 0);
    }

    /// Sets the value of a row that is visible from now on and whose change is dated earlier.
    pub(crate) fn set_ago(&mut self, id: &str, value: u64, ago_ms: i64) {
        let row = Row {
            value,
            changed_ms: self.now_ms - ago_ms,
            deleted: false,
        };
        self.rows.insert(id.to_owned(), row);
    }

    /// Marks a row as deleted.
    pub(crate) fn delete(&mut self, id: &str) {
        if let Some(row) = self.rows.get_mut(id) {
            (row.deleted, row.changed_ms) = (true, self.now_ms);
        }
    }

    /// Removes a row without `remote_deleted_at`.
    pub(crate) fn remove(&mut self, id: &str) {
        self.rows.remove(id);
    }
}

impl Row {
    fn shown(&self) -> String {
        format!(
            "v{}{}",
            self.value,
            if self.deleted { " deleted" } else { "" }
        )
    }

    fn json(&self, id: &str) -> String {
        let deleted = if self.deleted {
            r#","remote_deleted_at":"2023-11-14T22:13:20.000Z""#
        } else {
            ""
        };
        // The row has no `changed_at`, so a row that changed back is equal to the earlier row.
        format!(r#"{{"id":"{id}","name":"{}"{deleted}}}"#, self.shown())
    }
}

impl State {
    fn next_page(&self, from: usize, rows: usize) -> Option<usize> {
        let to = from + self.page_size;
        Some(to)
            .filter(|to| *to < rows)
            .or(self.last_page.cursor_after(to))
    }

    fn refusal_of(&mut self, request: &PageRequest<'_>) -> Option<(u16, &'static str)> {
        if let Some(refusal) = self.ids_refusal.filter(|_| !request.ids.is_empty()) {
            return Some(refusal);
        }
        let (pages, status, code) = self.refusal.take()?;
        if pages == 0 {
            return Some((status, code));
        }
        self.refusal = Some((pages - 1, status, code));
        None
    }

    fn is_heeded(&self) -> bool {
        matches!(self.ids, IdsFilter::Heeded | IdsFilter::Halved)
    }

    fn answer(&mut self, request: PageRequest<'_>, now_ms: i64) -> Result<String, ApiError> {
        self.asked.push(Asked {
            updated_after: request.updated_after.map(UpdatedAfter::as_millis),
            ids: request.ids.len(),
            first_page: request.cursor.is_none(),
        });
        if let Some((status, code)) = self.refusal_of(&request) {
            let body = format!(r#"{{"status":"error","error":{{"code":"{code}","message":""}}}}"#);
            let error = ApiError::from_answer(status, body.as_bytes(), request.cursor.is_some());
            return Err(error);
        }
        if self.unknown_ids_fail && request.ids.iter().any(|id| !self.rows.contains_key(id)) {
            return Err(ApiError::from_answer(404, b"", false));
        }
        let for_ids = !request.ids.is_empty();
        if for_ids && self.ids == IdsFilter::NotFound {
            return Err(ApiError::from_answer(404, b"", false));
        }
        let asked: HashSet<&String> = request.ids.iter().collect();
        let shows = |(id, row): &(&String, &Row)| {
            let all = !for_ids || self.ids == IdsFilter::Ignored;
            let wanted = all || (self.is_heeded() && asked.contains(*id));
            let after = request.updated_after;
            wanted && after.is_none_or(|after| row.changed_ms > after.as_millis())
        };
        let mut listed: Vec<_> = self.rows.iter().filter(shows).collect();
        if self.listing == Listing::ByChange {
            listed.sort_by_key(|(id, row)| (row.changed_ms, (*id).clone()));
        }
        if let Some(rows) = self.cut_after.filter(|_| !for_ids) {
            listed.truncate(rows);
        }
        if for_ids && self.ids == IdsFilter::Halved {
            listed.truncate(listed.len().div_ceil(2));
        }
        let from: usize = request
            .cursor
            .map_or(0, |cursor| cursor.as_str().parse().unwrap());
        let rows: Vec<String> = listed
            .iter()
            .skip(self.last_page.first_row(from, listed.len()))
            .take(self.page_size)
            .map(|(id, row)| row.json(id))
            .collect();
        let next = self
            .next_page(from, listed.len())
            .map_or("null".to_owned(), |next| format!("\"{next}\""));
        if let Some((pages, change)) = self.after_page.take() {
            if pages > 1 {
                self.after_page = Some((pages - 1, change));
            } else {
                let rows = &mut self.rows;
                change(&mut Rows { rows, now_ms });
            }
        }
        let rows = rows.join(",");
        Ok(format!(
            r#"{{"status":"success","data":{{"next":{next},"results":[{rows}]}}}}"#
        ))
    }
}
