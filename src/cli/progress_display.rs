//! What a person sees while a backfill runs: live bars on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::time::Instant;

use crate::api::HttpApi;
use crate::backfill::outcome::{TableEnding, TableOutcome};
use crate::ids::TableId;
use crate::ingest::{self, Watch};
use crate::words::{count, counted, seconds};

/// How often a table that is still running writes a plain line.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Says how long requests still wait for the rate limit, if they do.
pub(super) type WaitView = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

/// Returns the view of a client's budget.
pub(super) fn wait_view(api: &Arc<HttpApi>) -> WaitView {
    let api = Arc::clone(api);
    Arc::new(move || {
        let view = api.throttle_view();
        view.resumes_in
            .filter(|left| view.waiting > 0 && *left >= Duration::from_secs(1))
    })
}

/// Shows a backfill as it goes.
pub(super) struct ProgressDisplay {
    display: Display,
    tables: Mutex<HashMap<TableId, RunningTable>>,
}

enum Display {
    Bars {
        all: MultiProgress,
        total: ProgressBar,
        wait: WaitView,
    },
    Lines,
    Silent,
}

struct RunningTable {
    bar: Option<ProgressBar>,
    rows: u64,
    pages: u64,
    started: Instant,
    last_line: Instant,
}

impl ProgressDisplay {
    /// Shows bars when standard error is a terminal, lines otherwise; nothing when asked to be quiet.
    pub(super) fn new(tables: usize, quiet: bool, wait: WaitView) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(8);
        let display = if quiet {
            Display::Silent
        } else if target.is_hidden() {
            Display::Lines
        } else {
            let all = MultiProgress::with_draw_target(target);
            let total = all.add(ProgressBar::new(tables as u64));
            total.set_style(style(TOTAL));
            total.enable_steady_tick(Duration::from_millis(250));
            Display::Bars { all, total, wait }
        };
        Self {
            display,
            tables: Mutex::default(),
        }
    }

    /// Returns what shows one of the tables.
    pub(super) fn of(all: &Arc<Self>, table: &TableId) -> TableProgress {
        TableProgress {
            all: Arc::clone(all),
            table: table.clone(),
        }
    }

    /// Takes the bars away, so that what follows stands on clean lines.
    pub(super) fn finish(&self) {
        if let Display::Bars { all, total, .. } = &self.display {
            total.finish_and_clear();
            // A terminal that went away is no reason to fail.
            drop(all.clear());
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<TableId, RunningTable>> {
        // Counters survive a panic elsewhere.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, table: &TableId) {
        let bar = match &self.display {
            Display::Bars { all, total, wait } => {
                let bar = all.insert_before(total, ProgressBar::new_spinner());
                bar.set_style(table_style(Arc::clone(wait)));
                bar.set_prefix(table.to_string());
                Some(bar)
            }
            Display::Lines | Display::Silent => None,
        };
        let now = Instant::now();
        let running = RunningTable {
            bar,
            rows: 0,
            pages: 0,
            started: now,
            last_line: now,
        };
        if let Some(old) = self.running().insert(table.clone(), running) {
            old.clear();
        }
    }

    fn page(&self, table: &TableId, rows: u64) {
        let mut tables = self.running();
        let Some(running) = tables.get_mut(table) else {
            return;
        };
        running.rows += rows;
        running.pages += 1;
        if let Some(bar) = &running.bar {
            bar.set_position(running.rows);
            bar.set_message(counted(running.pages, "page"));
        } else if matches!(self.display, Display::Lines)
            && running.last_line.elapsed() >= LINE_EVERY
        {
            running.last_line = Instant::now();
            let brought = brought(running.rows, running.pages, running.started.elapsed());
            eprintln!("fetching   {table}: {brought}");
        }
    }

    pub(super) fn end(&self, outcome: &TableOutcome) {
        if let Some(running) = self.running().remove(&outcome.table) {
            running.clear();
        }
        let line = ended_line(outcome);
        match &self.display {
            Display::Bars { all, total, .. } => {
                total.inc(1);
                let ending = &outcome.ending;
                if !matches!(
                    ending,
                    TableEnding::Committed(_) | TableEnding::Unchanged | TableEnding::Skipped
                ) {
                    // Lost when the terminal is gone; the summary says it again.
                    drop(all.println(line));
                }
            }
            Display::Lines => eprintln!("{line}"),
            Display::Silent => {}
        }
    }
}

impl RunningTable {
    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows one table as it goes.
pub(super) struct TableProgress {
    all: Arc<ProgressDisplay>,
    table: TableId,
}

impl Watch for TableProgress {
    fn step(&self, step: ingest::FetchStep<'_>) {
        let Self { all, table } = self;
        match step {
            ingest::FetchStep::Started(_) => all.start(table),
            ingest::FetchStep::Page { rows, .. } => all.page(table, rows),
            // Those that wait for their commit could be hundreds: the total counts them when it is there.
            ingest::FetchStep::Fetched => {
                if let Some(running) = all.running().get(table) {
                    running.clear();
                }
            }
            ingest::FetchStep::Restarted(error) => {
                if matches!(all.display, Display::Lines) {
                    eprintln!("restarting {table}: {error}");
                }
            }
        }
    }
}

fn ended_line(outcome: &TableOutcome) -> String {
    let table = &outcome.table;
    match &outcome.ending {
        TableEnding::Committed(_) => {
            let brought = brought(outcome.rows, outcome.pages, outcome.elapsed);
            format!("committed  {table}: {brought}")
        }
        TableEnding::Unchanged => format!("unchanged  {table}"),
        TableEnding::Skipped => format!("skipped    {table}: fetched not long ago"),
        TableEnding::Superseded => {
            format!("superseded {table}: another writer committed it meanwhile")
        }
        TableEnding::LeftOut { reason, .. } => format!("left out   {table}: {reason}"),
        TableEnding::NotTried { reason } => format!("not tried  {table}: {reason}"),
        TableEnding::Failed(failure) => format!("failed     {table}: {failure}"),
    }
}

fn brought(rows: u64, pages: u64, elapsed: Duration) -> String {
    let (rows, pages) = (counted(rows, "row"), counted(pages, "page"));
    format!("{rows}, {pages}, {}", seconds(elapsed))
}

const TOTAL: &str = "{bar:30.green/dim} {pos}/{len} tables  {elapsed} elapsed, about {eta} left";
const TABLE: &str = "{spinner:.green} {prefix:.bold}  {rows} rows  {rate}  {msg}{wait:.yellow}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is constant")
}

fn table_style(wait: WaitView) -> ProgressStyle {
    type Out<'a> = &'a mut dyn std::fmt::Write;
    // What cannot be written to the terminal is not missed.
    style(TABLE)
        .with_key("rows", |state: &ProgressState, out: Out<'_>| {
            out.write_str(&count(state.pos())).unwrap_or_default();
        })
        .with_key("rate", |state: &ProgressState, out: Out<'_>| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "shown whole"
            )]
            let rate = state.per_sec() as u64;
            write!(out, "{} rows/s", count(rate)).unwrap_or_default();
        })
        .with_key("wait", move |_: &ProgressState, out: Out<'_>| {
            if let Some(left) = wait() {
                write!(out, "  waiting {} for the rate limit", seconds(left)).unwrap_or_default();
            }
        })
}
