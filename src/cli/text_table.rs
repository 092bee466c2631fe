//! Tables in reports: columns that are aligned, and that fit the terminal.
//!
//! In a pipe and on a wide terminal a table has a width that does not change with its content, as far as the content fits.
//! On a narrower terminal the columns move together. If that is not enough, the least important columns are left out, and a
//! line below the table names them. A name in the first column is never cut: if it is too long, its row takes two lines.

use super::terminal::{Terminal, cells};

/// One column of a table.
#[derive(Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    is_number: bool,
    /// The width in a pipe and on a wide terminal, with the gap to the neighbour.
    width: usize,
    /// Whether and when the column is left out on a narrow terminal: the highest number first, 0 never.
    spare: u8,
}

/// Rows below titles.
pub(super) struct TextTable<'a> {
    columns: &'a [Column],
    rows: Vec<Vec<String>>,
    /// Spaces before each line.
    indent: usize,
}

/// Spaces between two columns.
const GAP: usize = 2;
/// The least that is left of a text that is cut.
const LEAST_TEXT: usize = 12;

impl Column {
    /// Returns a column of texts, aligned to the left.
    pub(super) const fn text(title: &'static str, width: usize) -> Self {
        Self {
            title,
            is_number: false,
            width,
            spare: 0,
        }
    }

    /// Returns a column of numbers, aligned to the right.
    pub(super) const fn number(title: &'static str, width: usize) -> Self {
        Self {
            is_number: true,
            ..Self::text(title, width)
        }
    }

    /// Returns the column as one that a narrow terminal does without. The highest order is left out first.
    pub(super) const fn spare(self, order: u8) -> Self {
        Self {
            spare: order,
            ..self
        }
    }
}

impl<'a> TextTable<'a> {
    /// Returns a table without rows.
    pub(super) fn new(columns: &'a [Column]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
            indent: 0,
        }
    }

    /// Returns the table with so many spaces before each line.
    pub(super) fn indented(self, indent: usize) -> Self {
        Self { indent, ..self }
    }

    /// Adds a row: a text for each column.
    pub(super) fn add(&mut self, row: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }

    /// Returns whether the table has no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns whether the terminal has room for every column, uncut.
    pub(super) fn fits(&self, terminal: &Terminal) -> bool {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let widths: Vec<usize> = all.iter().map(|at| self.natural(*at)).collect();
        let width = self.indent + self.total(&all, &widths, GAP);
        terminal.width().is_none_or(|room| width <= room)
    }

    /// Returns the lines of the table as the terminal has room for them. A line can hold a newline.
    pub(super) fn lines(&self, terminal: &Terminal) -> Vec<String> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let fixed: Vec<usize> = shown.iter().map(|at| self.fixed(*at)).collect();
        let room = terminal
            .width()
            .map(|width| width.saturating_sub(self.indent));
        if room.is_none_or(|room| self.total(&shown, &fixed, 0) <= room) {
            return self.written(&shown, &fixed, 0, terminal);
        }
        let room = room.unwrap_or_default();
        let mut widths: Vec<usize> = shown.iter().map(|at| self.natural(*at)).collect();
        let mut left_out = Vec::new();
        while self.total(&shown, &widths, GAP) > room {
            let spare = shown
                .iter()
                .copied()
                .max_by_key(|at| self.columns[*at].spare);
            let Some(spare) = spare.filter(|at| self.columns[*at].spare > 0) else {
                break;
            };
            shown.retain(|at| *at != spare);
            left_out.push(self.columns[spare].title);
        }
        let over = self.total(&shown, &widths, GAP).saturating_sub(room);
        let texts = shown
            .iter()
            .copied()
            .filter(|at| !self.columns[*at].is_number);
        if let Some(widest) = texts.max_by_key(|at| widths[*at]) {
            widths[widest] = widths[widest]
                .saturating_sub(over)
                .max(LEAST_TEXT.min(widths[widest]));
        }
        let mut lines = self.written(&shown, &widths, GAP, terminal);
        if !left_out.is_empty() {
            let indent = " ".repeat(self.indent);
            let titles = self.columns.iter().map(|one| one.title);
            let names: Vec<_> = titles.filter(|title| left_out.contains(title)).collect();
            let names = names.join(", ");
            lines.push(terminal.dim(&format!("{indent}too narrow for: {names}")));
        }
        lines
    }

    /// Returns the width of what a column holds.
    fn natural(&self, at: usize) -> usize {
        let cell = |row: &Vec<String>| row.get(at).map_or(0, |cell| cells(cell));
        let widest = self.rows.iter().map(cell).max().unwrap_or_default();
        widest.max(cells(self.columns[at].title))
    }

    fn fixed(&self, at: usize) -> usize {
        // The gap between two columns is in the number, or in the left one of two texts.
        let is_number = |at: usize| self.columns.get(at).is_some_and(|one| one.is_number);
        let has_gap = if is_number(at) {
            at > 0
        } else {
            at + 1 < self.columns.len() && !is_number(at + 1)
        };
        let gap = if has_gap { GAP } else { 0 };
        self.columns[at].width.max(self.natural(at) + gap)
    }

    /// Returns the width of a line. The last text needs no room behind it.
    fn total(&self, shown: &[usize], widths: &[usize], gap: usize) -> usize {
        let all = shown.iter().enumerate();
        let all: usize = all
            .map(|(place, at)| self.gap(shown, place, gap) + widths[*at])
            .sum();
        match shown.last() {
            Some(last) if gap == 0 && !self.columns[*last].is_number => {
                all - widths[*last] + self.natural(*last)
            }
            _ => all,
        }
    }

    /// Returns the spaces before a column. Fixed widths hold their own gaps, but for a text behind a number.
    fn gap(&self, shown: &[usize], place: usize, gap: usize) -> usize {
        let is_number = |place: usize| self.columns[shown[place]].is_number;
        match place {
            0 => 0,
            _ if gap == 0 && !is_number(place) && is_number(place - 1) => GAP,
            _ => gap,
        }
    }

    fn written(
        &self,
        shown: &[usize],
        widths: &[usize],
        gap: usize,
        terminal: &Terminal,
    ) -> Vec<String> {
        let line = |cell: &dyn Fn(usize) -> String| {
            let mut line = " ".repeat(self.indent);
            for (place, at) in shown.iter().enumerate() {
                let text = cell(*at);
                if place == 0 && cells(&text) > widths[*at] {
                    line += &(text + "\n" + &" ".repeat(self.indent + widths[*at]));
                    continue;
                }
                let text = cut(&text, widths[*at]);
                let space = " ".repeat(widths[*at].saturating_sub(cells(&text)));
                line += &" ".repeat(self.gap(shown, place, gap));
                line += &if self.columns[*at].is_number {
                    space + &text
                } else {
                    text + &space
                };
            }
            line.trim_end().to_owned()
        };
        let header = line(&|at| self.columns[at].title.to_owned());
        let rows = self.rows.iter();
        let rows = rows.map(|row| line(&|at| row.get(at).cloned().unwrap_or_default()));
        std::iter::once(terminal.bold(&header))
            .chain(rows)
            .collect()
    }
}

/// Cuts a text that is too wide, and marks the cut with an ellipsis.
pub(super) fn cut(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::text("table", 20),
        Column::number("files", 8).spare(1),
        Column::number("rows", 12),
        Column::text("state", 8).spare(2),
    ];

    fn table() -> TextTable<'static> {
        let mut table = TextTable::new(&COLUMNS);
        table.add(["ats_applications", "3", "1,200", "fresh"]);
        table.add(["ats_jobs", "12", "7", "late"]);
        table
    }

    fn lines(width: usize) -> String {
        table().lines(&Terminal::of_width(width)).join("\n")
    }

    #[test]
    fn a_pipe_and_a_wide_terminal_get_fixed_widths() {
        let expected = "\
table                  files        rows  state
ats_applications           3       1,200  fresh
ats_jobs                  12           7  late";
        assert_eq!(table().lines(&Terminal::default()).join("\n"), expected);
        assert_eq!(lines(200), expected);
    }

    #[test]
    fn a_narrow_terminal_gets_the_columns_together_and_then_fewer() {
        assert_eq!(
            lines(40),
            "\
table             files   rows  state
ats_applications      3  1,200  fresh
ats_jobs             12      7  late"
        );
        assert_eq!(
            lines(30),
            "\
table             files   rows
ats_applications      3  1,200
ats_jobs             12      7
too narrow for: state"
        );
        assert_eq!(
            lines(20),
            "\
table           rows
ats_applications
               1,200
ats_jobs           7
too narrow for: files, state"
        );
    }
}
