//! How reports look: as wide as the terminal, and coloured where the terminal takes colours.
//!
//! A line of a report is a label and a text, such as `late    tool:a: 1 table`. On a terminal a line that is too long is
//! wrapped between words, below its own text, and the label is coloured. A command stays one command when it is wrapped:
//! each of its lines but the last ends with a backslash. In a pipe nothing is wrapped and nothing is coloured, so that
//! scripts read stable lines. `NO_COLOR` and `CLICOLOR` are honoured.

use std::io::Write as _;

use console::{Style, Term, measure_text_width};

use super::output;

/// Where a text goes, and what that place can show.
#[derive(Clone, Debug, Default)]
pub(super) struct Terminal {
    /// Columns of the terminal. `None` for a pipe or a file, where nothing is wrapped.
    width: Option<usize>,
    colour: bool,
    /// Whether texts go to standard error instead of standard output.
    stderr: bool,
}

/// What a label at the start of a line means.
#[derive(Clone, Copy)]
enum Tone {
    Good,
    Doubtful,
    Bad,
}

/// The labels that are coloured. Every other line stays as it is.
const LABELS: [(&str, Tone); 23] = [
    ("ok ", Tone::Good),
    ("accepted ", Tone::Good),
    ("purged ", Tone::Good),
    ("mended ", Tone::Good),
    ("released ", Tone::Good),
    ("late ", Tone::Doubtful),
    ("held ", Tone::Doubtful),
    ("left ", Tone::Doubtful),
    ("left out ", Tone::Doubtful),
    ("not tried ", Tone::Doubtful),
    ("mend ", Tone::Doubtful),
    ("note ", Tone::Doubtful),
    ("silent ", Tone::Doubtful),
    ("parked ", Tone::Doubtful),
    ("missing ", Tone::Doubtful),
    ("to purge ", Tone::Doubtful),
    ("restarting ", Tone::Doubtful),
    ("warning:", Tone::Doubtful),
    ("failed ", Tone::Bad),
    ("future ", Tone::Bad),
    ("unread ", Tone::Bad),
    ("refused ", Tone::Bad),
    ("error:", Tone::Bad),
];

/// Where the text behind a label begins at most.
const LABEL_WIDTH: usize = 12;
/// How far a line without a label is indented where it goes on.
const INDENT: usize = 2;
/// How far a command is indented where it goes on.
const COMMAND_INDENT: usize = 4;

impl Terminal {
    /// Returns standard output as it is now.
    pub(super) fn stdout() -> Self {
        Self {
            width: width(&Term::stdout()),
            colour: console::colors_enabled(),
            stderr: false,
        }
    }

    /// Returns standard error as it is now.
    pub(super) fn stderr() -> Self {
        Self {
            width: width(&Term::stderr()),
            colour: console::colors_enabled_stderr(),
            stderr: true,
        }
    }

    /// Returns a terminal of this width without colours.
    #[cfg(test)]
    pub(super) fn of_width(width: usize) -> Self {
        Self {
            width: Some(width),
            ..Self::default()
        }
    }

    /// Returns the number of columns, `None` for a pipe or a file.
    pub(super) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Returns whether colours are shown.
    pub(super) fn has_colour(&self) -> bool {
        self.colour
    }

    /// Writes a report: wrapped and coloured as this terminal needs it. A closed pipe is not a failure of the program.
    pub(super) fn print(&self, text: &str) {
        let text = self.shown(text);
        if self.stderr {
            drop(std::io::stderr().write_all(text.as_bytes()));
        } else {
            output::put(text);
        }
    }

    /// Returns a report as [`Terminal::print`] writes it.
    pub(super) fn shown(&self, text: &str) -> String {
        let lines = text.split_inclusive('\n').map(|line| {
            let (line, end) = line
                .strip_suffix('\n')
                .map_or((line, ""), |line| (line, "\n"));
            self.coloured(&self.wrapped(line)) + end
        });
        lines.collect()
    }

    /// Returns a text in bold type.
    pub(super) fn bold(&self, text: &str) -> String {
        self.styled(&Style::new().bold(), text)
    }

    /// Returns a text that matters less.
    pub(super) fn dim(&self, text: &str) -> String {
        self.styled(&Style::new().dim(), text)
    }

    /// Returns a text that reports something doubtful.
    pub(super) fn yellow(&self, text: &str) -> String {
        self.styled(&Style::new().yellow(), text)
    }

    fn styled(&self, style: &Style, text: &str) -> String {
        if self.colour {
            style.clone().force_styling(true).apply_to(text).to_string()
        } else {
            text.to_owned()
        }
    }

    fn coloured(&self, line: &str) -> String {
        let label = LABELS.iter().find(|(label, _)| line.starts_with(label));
        let Some((label, tone)) = label.filter(|_| self.colour) else {
            return line.to_owned();
        };
        let style = match tone {
            Tone::Good => Style::new().green(),
            Tone::Doubtful => Style::new().yellow(),
            Tone::Bad => Style::new().red().bold(),
        };
        let (label, rest) = line.split_at(label.len());
        self.styled(&style, label) + rest
    }

    /// Breaks a line between words where it is too long. A word that is longer than the terminal stays whole, so that it
    /// can be copied.
    fn wrapped(&self, line: &str) -> String {
        let Some(width) = self.width.filter(|width| cells(line) > *width) else {
            return line.to_owned();
        };
        let indent = line.len() - line.trim_start().len();
        if is_command(line) {
            return broken(
                line,
                width.saturating_sub(2),
                indent + COMMAND_INDENT,
                " \\",
            );
        }
        let hang = hanging(line);
        broken(line, width, hang.min(width / 2), "")
    }
}

fn width(term: &Term) -> Option<usize> {
    let size = term.is_term().then(|| term.size_checked()).flatten();
    size.map(|(_, columns)| usize::from(columns))
}

/// Returns how many columns a text takes.
pub(super) fn cells(text: &str) -> usize {
    measure_text_width(text)
}

fn is_command(line: &str) -> bool {
    line.trim_start().starts_with("kombo-source ")
}

/// Returns the column below which a line goes on: its own indent, or where the text behind its label begins.
fn hanging(line: &str) -> usize {
    let own = line.len() - line.trim_start().len();
    if own > 0 {
        return own;
    }
    for label in ["error: ", "warning: "] {
        if line.starts_with(label) {
            return label.len();
        }
    }
    let gap = line.find("  ");
    let text = gap.map(|gap| gap + line[gap..].len() - line[gap..].trim_start().len());
    text.filter(|text| *text <= LABEL_WIDTH).unwrap_or(INDENT)
}

/// Breaks a line at spaces. `end` stands at the end of each line but the last.
fn broken(line: &str, width: usize, indent: usize, end: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    let mut gap = String::new();
    for word in words(line) {
        if word == " " {
            gap.push(' ');
            continue;
        }
        let long = column + gap.len() + cells(word) > width;
        // Nothing is gained by a break where the line holds its indent alone.
        if long && column > indent {
            text = text + end + "\n" + &" ".repeat(indent);
            column = indent;
        } else {
            text.push_str(&gap);
            column += gap.len();
        }
        gap.clear();
        text.push_str(word);
        column += cells(word);
    }
    text
}

/// Splits a line into single spaces and what is between them. A command in backticks is one word.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let ends = rest.char_indices().find(|(_, char)| {
            quoted ^= *char == '`';
            *char == ' ' && !quoted
        });
        let at = match ends {
            Some((0, _)) => 1,
            Some((at, _)) => at,
            // A backtick without its partner quotes nothing.
            None if quoted => rest.find(' ').filter(|at| *at > 0).unwrap_or(1),
            None => rest.len(),
        };
        let (word, behind) = rest.split_at(at.min(rest.len()));
        rest = behind;
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_lines_as_they_are() {
        let long = format!("late    {}\n", "word ".repeat(100));
        assert_eq!(Terminal::default().shown(&long), long);
    }

    #[test]
    fn a_long_line_goes_on_below_its_own_text_and_no_word_is_cut() {
        let shown = |text| Terminal::of_width(24).shown(text);
        assert_eq!(
            shown("late    tool:a: 1 table, up to 13 h old\n"),
            "late    tool:a: 1 table,\n        up to 13 h old\n"
        );
        assert_eq!(
            shown("        read it again, and then once more"),
            "        read it again,\n        and then once\n        more"
        );
        assert_eq!(
            shown("error: there is no lake at /a/folder/with/a/long/name"),
            "error: there is no lake\n       at\n       /a/folder/with/a/long/name"
        );
        assert_eq!(
            shown("1 integration, 1 table fresh, 1 late"),
            "1 integration, 1 table\n  fresh, 1 late"
        );
    }

    #[test]
    fn a_command_can_be_copied_after_it_was_wrapped() {
        let shown = |text| Terminal::of_width(40).shown(text);
        assert_eq!(
            shown("        kombo-source accept --table ats_jobs --all"),
            "        kombo-source accept --table \\\n            ats_jobs --all"
        );
        assert_eq!(
            shown("        run `kombo-source fold --rebuild`, then look"),
            "        run\n        `kombo-source fold --rebuild`,\n        then look"
        );
        assert_eq!(shown("a ` and more"), "a ` and more");
    }

    #[test]
    fn labels_are_coloured_where_colours_are_shown() {
        let colour = Terminal {
            colour: true,
            ..Terminal::default()
        };
        assert_eq!(
            colour.shown("failed  a: b\n        cure\n"),
            "\u{1b}[31m\u{1b}[1mfailed \u{1b}[0m a: b\n        cure\n"
        );
        assert_eq!(colour.shown("latest news\n"), "latest news\n");
    }
}
