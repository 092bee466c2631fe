//! What the operator sees while a backfill runs: live bars on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::time::Instant;

use super::terminal::{Terminal, cells};
use super::text_table::cut;
use super::wait_view::WaitView;
use crate::backfill::outcome::{TableEnding, TableOutcome};
use crate::ids::TableId;
use crate::ingest::{self, Watch};
use crate::words::{count, counted, seconds};

/// How often work that still runs writes a plain line.
pub(super) const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows the progress of a backfill.
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
    /// Shared with the style of the bar, which draws the number.
    pages: Arc<AtomicU64>,
    started: Instant,
    last_line: Instant,
}

impl ProgressDisplay {
    /// Shows bars when standard error is a terminal, and lines otherwise. With `quiet` it shows nothing.
    pub(super) fn new(tables: usize, quiet: bool, wait: WaitView) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(8);
        let display = if quiet {
            Display::Silent
        } else if target.is_hidden() {
            Display::Lines
        } else {
            let all = MultiProgress::with_draw_target(target);
            let total = all.add(ProgressBar::new(tables as u64));
            total.set_style(total_style(Arc::clone(&wait)));
            total.enable_steady_tick(Duration::from_millis(250));
            Display::Bars { all, total, wait }
        };
        Self {
            display,
            tables: Mutex::default(),
        }
    }

    /// Returns whether the display writes plain lines, because standard error is no terminal.
    pub(super) fn writes_lines(&self) -> bool {
        matches!(self.display, Display::Lines)
    }

    /// Returns the part of the display that shows one table.
    pub(super) fn of(all: &Arc<Self>, table: &TableId) -> TableProgress {
        TableProgress {
            all: Arc::clone(all),
            table: table.clone(),
        }
    }

    /// Removes the bars, so that the report begins on a clean line.
    pub(super) fn finish(&self) {
        if let Display::Bars { all, total, .. } = &self.display {
            total.finish_and_clear();
            // A terminal that went away is no reason to fail.
            drop(all.clear());
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<TableId, RunningTable>> {
        // A panic in another task leaves the counters usable.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, table: &TableId) {
        let pages = Arc::new(AtomicU64::new(0));
        let bar = match &self.display {
            Display::Bars { all, total, wait } => {
                let bar = all.insert_before(total, ProgressBar::new_spinner());
                let style = table_style(Arc::clone(wait), table.to_string(), Arc::clone(&pages));
                bar.set_style(style);
                Some(bar)
            }
            Display::Lines | Display::Silent => None,
        };
        let now = Instant::now();
        let running = RunningTable {
            bar,
            rows: 0,
            pages,
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
        let pages = running.pages.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &running.bar {
            bar.set_position(running.rows);
        } else if matches!(self.display, Display::Lines)
            && running.last_line.elapsed() >= LINE_EVERY
        {
            running.last_line = Instant::now();
            let brought = brought(running.rows, pages, running.started.elapsed());
            report(&format!("fetching   {table}: {brought}"));
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
                    // Lost when the terminal is gone; the report at the end has the line as well.
                    drop(all.println(Terminal::stderr().shown(&line)));
                }
            }
            Display::Lines => report(&line),
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

/// Shows the progress of one table.
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
            // Hundreds of tables may wait for their commit: their bars end here, and the total counts them once committed.
            ingest::FetchStep::Fetched => {
                if let Some(running) = all.running().get(table) {
                    running.clear();
                }
            }
            ingest::FetchStep::Restarted(error) => {
                if matches!(all.display, Display::Lines) {
                    report(&format!("restarting {table}: {error}"));
                }
            }
        }
    }
}

fn report(line: &str) {
    Terminal::stderr().print(&format!("{line}\n"));
}

fn ended_line(outcome: &TableOutcome) -> String {
    let table = &outcome.table;
    match &outcome.ending {
        TableEnding::Committed(_) => {
            let brought = brought(outcome.rows, outcome.pages, outcome.elapsed);
            format!("committed  {table}: {brought}")
        }
        TableEnding::Unchanged => format!("unchanged  {table}"),
        TableEnding::Skipped => {
            format!("skipped    {table}: fetched less than --skip-newer-than ago")
        }
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

const TOTAL: &str = "{bar:20.green/dim} {done}";
const TABLE: &str = "{spinner:.green} {line}";

pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is constant")
}

type Out<'a> = &'a mut dyn std::fmt::Write;

/// What is drawn to a terminal that went away is not missed.
fn draw(out: Out<'_>, text: &str) {
    out.write_str(text).unwrap_or_default();
}

fn total_style(wait: WaitView) -> ProgressStyle {
    style(TOTAL).with_key("done", move |state: &ProgressState, out: Out<'_>| {
        let (done, all) = (state.pos(), state.len().unwrap_or_default());
        draw(
            out,
            &done_line(done, all, state.elapsed(), wait().as_deref()),
        );
    })
}

/// Says how many tables are done, for how long it runs, and how long the rest takes. The rest is an estimate: as much time
/// for each table as the tables before took. Nothing is estimated before a quarter of the tables is done. While
/// requests wait, the estimate would be wrong, so the line says what they wait for.
fn done_line(done: u64, all: u64, elapsed: Duration, wait: Option<&str>) -> String {
    let tables = counted(all, "table");
    let mut line = format!("{} of {tables}, {}", count(done), brief(elapsed));
    if let Some(wait) = wait {
        return format!("{line}, {wait}");
    }
    let is_known = done > 0 && done < all && done * 4 >= all;
    if is_known && elapsed >= Duration::from_secs(5) {
        let per_table = elapsed.as_secs_f64() / to_f64(done);
        let left = Duration::from_secs_f64(per_table * to_f64(all - done));
        let left = brief(left.max(Duration::from_secs(1)));
        line = format!("{line}, about {left} left");
    }
    line
}

#[expect(clippy::cast_precision_loss, reason = "numbers of tables are small")]
fn to_f64(tables: u64) -> f64 {
    tables as f64
}

/// Writes a duration in full seconds.
fn brief(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..60 => format!("{secs} s"),
        _ => seconds(duration),
    }
}

/// What the line of a table shows, in the order of importance.
struct TableLine<'a> {
    name: &'a str,
    rows: u64,
    pages: u64,
    per_second: u64,
    wait: Option<&'a str>,
}

impl TableLine<'_> {
    /// Returns the line as far as the terminal has room for it. The spinner takes two columns.
    fn shown(&self, terminal: &Terminal) -> String {
        let room = terminal
            .width()
            .map_or(usize::MAX, |width| width.saturating_sub(3));
        let rows = counted(self.rows, "row");
        let most = room.saturating_sub(cells(&rows) + 2);
        let name = cut(self.name, most);
        let mut used = cells(&name) + 2 + cells(&rows);
        let mut line = format!("{}  {rows}", terminal.bold(&name));
        let rate = format!("{} rows/s", count(self.per_second));
        let parts = [self.wait, Some(&*rate), Some(&*counted(self.pages, "page"))];
        for (place, part) in parts.into_iter().enumerate() {
            let Some(part) = part.filter(|part| used + 2 + cells(part) <= room) else {
                continue;
            };
            used += 2 + cells(part);
            line += "  ";
            line += &if place == 0 {
                terminal.yellow(part)
            } else {
                part.to_owned()
            };
        }
        line
    }
}

fn table_style(wait: WaitView, name: String, pages: Arc<AtomicU64>) -> ProgressStyle {
    style(TABLE).with_key("line", move |state: &ProgressState, out: Out<'_>| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "shown in full rows"
        )]
        let per_second = state.per_sec() as u64;
        let waits = wait();
        let line = TableLine {
            name: &name,
            rows: state.pos(),
            pages: pages.load(Ordering::Relaxed),
            per_second,
            wait: waits.as_deref(),
        };
        draw(out, &line.shown(&Terminal::stderr()));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_table_leaves_out_what_has_no_room() {
        let line = TableLine {
            name: "ats/applications of greenhouse:8d1hpPsbjxUkoCoa1veLZGe5",
            rows: 4_250,
            pages: 17,
            per_second: 3_033,
            wait: None,
        };
        let shown = |width| line.shown(&Terminal::of_width(width));
        assert_eq!(
            shown(200),
            "ats/applications of greenhouse:8d1hpPsbjxUkoCoa1veLZGe5  4,250 rows  3,033 rows/s  17 pages"
        );
        assert_eq!(
            shown(80),
            "ats/applications of greenhouse:8d1hpPsbjxUkoCoa1veLZGe5  4,250 rows  17 pages"
        );
        assert_eq!(shown(40), "ats/applications of gree…  4,250 rows");
        let waits = TableLine {
            wait: Some("waiting for Kombo's rate limit until 14:05:30 UTC"),
            ..line
        };
        let waits = waits.shown(&Terminal::of_width(140));
        assert!(
            waits.ends_with("  waiting for Kombo's rate limit until 14:05:30 UTC  3,033 rows/s"),
            "{waits}"
        );
    }

    #[test]
    fn the_time_left_is_said_once_a_quarter_is_done() {
        let line = |done, secs| done_line(done, 36, Duration::from_secs(secs), None);
        assert_eq!(line(0, 12), "0 of 36 tables, 12 s");
        assert_eq!(line(8, 12), "8 of 36 tables, 12 s");
        assert_eq!(line(9, 12), "9 of 36 tables, 12 s, about 36 s left");
        assert_eq!(line(9, 4), "9 of 36 tables, 4 s");
        assert_eq!(line(36, 80), "36 of 36 tables, 1 min 20 s");
    }

    #[test]
    fn nothing_is_estimated_while_requests_wait() {
        let wait = "waiting for Kombo's rate limit until 14:05:30 UTC";
        let line = done_line(35, 36, Duration::from_secs(12), Some(wait));
        assert_eq!(
            line,
            "35 of 36 tables, 12 s, waiting for Kombo's rate limit until 14:05:30 UTC"
        );
    }
}
