//! What the operator sees while tables are folded: a bar on a terminal, a plain line every ten seconds elsewhere.

use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::progress_display::{LINE_EVERY, style};
use super::terminal::Terminal;
use super::text_table::cut;
use crate::words::{count, seconds};

const BAR: &str = "{bar:20.green/dim} {msg}";
/// Columns of the bar, with the space behind it and one column that stays free.
const BAR_WIDTH: usize = 22;

/// Shows the progress of a fold over many tables.
pub(super) struct FoldProgress {
    display: FoldDisplay,
    tables: u64,
    done: u64,
    began: Instant,
}

enum FoldDisplay {
    Bar(ProgressBar),
    Lines(Interval),
    Silent,
}

impl FoldProgress {
    /// Shows a bar when standard error is a terminal, and lines otherwise. With `quiet` it shows nothing.
    pub(super) fn new(tables: usize, quiet: bool) -> Self {
        let (tables, began) = (tables as u64, Instant::now());
        let target = ProgressDrawTarget::stderr_with_hz(8);
        let display = if quiet {
            FoldDisplay::Silent
        } else if target.is_hidden() {
            let mut ticks = interval_at(began + LINE_EVERY, LINE_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            FoldDisplay::Lines(ticks)
        } else {
            let bar = ProgressBar::with_draw_target(Some(tables), target);
            bar.set_style(style(BAR));
            bar.enable_steady_tick(Duration::from_millis(250));
            FoldDisplay::Bar(bar)
        };
        Self {
            display,
            tables,
            done: 0,
            began,
        }
    }

    /// Shows that a table is folded until the work on it is done. Dropping it drops the work.
    pub(super) async fn during<T>(&mut self, table: &str, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        self.done += 1;
        let (number, all) = (count(self.done), count(self.tables));
        let line = format!("folding table {number} of {all}: {table}");
        let ticks = match &mut self.display {
            FoldDisplay::Silent => return work.await,
            FoldDisplay::Bar(bar) => {
                let width = Terminal::stderr().width();
                let room = width.map_or(usize::MAX, |width| width.saturating_sub(BAR_WIDTH));
                bar.set_message(cut(&line, room));
                let ended = work.await;
                bar.inc(1);
                return ended;
            }
            FoldDisplay::Lines(ticks) => ticks,
        };
        loop {
            tokio::select! {
                ended = &mut work => return ended,
                _ = ticks.tick() => {
                    let elapsed = seconds(self.began.elapsed());
                    Terminal::stderr().print(&format!("{line}, {elapsed}\n"));
                }
            }
        }
    }

    /// Removes the bar, so that the report begins on a clean line.
    pub(super) fn finish(self) {
        if let FoldDisplay::Bar(bar) = self.display {
            bar.finish_and_clear();
        }
    }
}
