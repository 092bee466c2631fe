//! Templates with placeholders in braces.
//!
//! `{table}` stands for a value. `{columns}` stands for all columns, in lines of at most 110 characters. A line that begins with
//! `{if column}` is kept for tables that have the column.

/// The longest line of columns.
const WIDTH: usize = 110;

/// A section of a template: a comment such as `-- live: ...` and the lines below it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ViewSection {
    pub(super) name: String,
    pub(super) text: String,
}

/// The values of placeholders.
#[derive(Default)]
pub(super) struct Values {
    named: Vec<(&'static str, String)>,
    /// The columns of the table.
    pub(super) columns: Vec<String>,
    /// The quote around the name of a column.
    pub(super) quote: char,
}

impl Values {
    /// Sets the value of a placeholder.
    pub(super) fn set(&mut self, name: &'static str, value: String) {
        self.named.push((name, value));
    }
}

impl ViewSection {
    /// Splits a text into its sections: each begins behind a blank line.
    pub(super) fn all(text: &str, comment: &str) -> Vec<Self> {
        let mut sections: Vec<Self> = Vec::new();
        for part in text.trim_end().split("\n\n") {
            match (name(part, comment), sections.last_mut()) {
                (None, Some(last)) => last.text.extend(["\n\n", part]),
                (name, _) => sections.push(Self {
                    name: name.unwrap_or_default().to_owned(),
                    text: part.to_owned(),
                }),
            }
        }
        sections
    }
}

/// Returns the name in a comment that begins a section: one word before a colon.
fn name<'a>(line: &'a str, comment: &str) -> Option<&'a str> {
    let said = line.strip_prefix(comment)?.strip_prefix(' ')?;
    let (name, _) = said.split_once(": ")?;
    let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    is_name.then_some(name)
}

/// Returns a text with its placeholders filled in, and a newline at its end.
pub(super) fn fill(text: &str, values: &Values) -> String {
    let mut filled = String::new();
    for line in text.lines() {
        let Some(line) = kept(line, values) else {
            continue;
        };
        match line.split_once("{columns}") {
            Some((indent, rest)) => filled.push_str(&(columns(indent, values) + rest)),
            None => filled.push_str(&with_values(line, values)),
        }
        filled.push('\n');
    }
    filled
}

/// Returns a line without its condition; `None` when the condition does not hold.
fn kept<'a>(line: &'a str, values: &Values) -> Option<&'a str> {
    let condition = line.strip_prefix("{if ");
    let Some((column, rest)) = condition.and_then(|rest| rest.split_once('}')) else {
        return Some(line);
    };
    let is_there = values.columns.iter().any(|known| known == column);
    is_there.then_some(rest)
}

/// Fills in values in one pass, so that braces within a value are not taken for a placeholder.
fn with_values(line: &str, values: &Values) -> String {
    let mut filled = String::new();
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once('{') {
        filled.push_str(before);
        let word = behind.split_once('}').and_then(|(word, behind)| {
            let named = values.named.iter().find(|(name, _)| *name == word)?;
            Some((named.1.as_str(), behind))
        });
        let (value, behind) = word.unwrap_or(("{", behind));
        filled.push_str(value);
        rest = behind;
    }
    filled + rest
}

fn columns(indent: &str, values: &Values) -> String {
    let quote = values.quote;
    let mut text = indent.to_owned();
    let mut width = indent.len();
    for (at, column) in values.columns.iter().enumerate() {
        let last = at + 1 == values.columns.len();
        let word = format!("{quote}{column}{quote}{}", if last { "" } else { "," });
        if at > 0 && width + 1 + word.len() > WIDTH {
            text = text + "\n" + indent;
            width = indent.len();
        } else if at > 0 {
            text.push(' ');
            width += 1;
        }
        width += word.len();
        text.push_str(&word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_where_a_comment_names_a_section() {
        let text = "-- setup: once\nA;\n-- no section\n\nC;\n\n-- as-of: then\nB;\n";
        let sections = ViewSection::all(text, "--");
        let sections = sections.iter();
        let named: Vec<_> = sections.map(|one| (&*one.name, &*one.text)).collect();
        let setup = "-- setup: once\nA;\n-- no section\n\nC;";
        assert_eq!(named, [("setup", setup), ("as-of", "-- as-of: then\nB;")]);
    }

    #[test]
    fn words_are_filled_in_once_and_lines_kept_where_the_column_is_there() {
        let mut values = Values {
            columns: vec!["id".to_owned(), "end".to_owned()],
            quote: '`',
            ..Values::default()
        };
        values.set("table", "{endpoint}".to_owned());
        values.set("endpoint", "x".to_owned());
        let text =
            "SELECT\n    {columns},\nFROM {table} {endpoint} {other}\n{if end}  end\n{if day}  day";
        let filled = "SELECT\n    `id`, `end`,\nFROM {endpoint} x {other}\n  end\n";
        assert_eq!(fill(text, &values), filled);
    }

    #[test]
    fn many_columns_take_many_lines() {
        let values = Values {
            columns: (0..40).map(|at| format!("column_{at}")).collect(),
            quote: '"',
            ..Values::default()
        };
        let filled = fill("    {columns}", &values);
        assert!(
            filled
                .lines()
                .all(|line| line.len() <= WIDTH && line.starts_with("    \""))
        );
        let words: Vec<_> = filled.split_whitespace().collect();
        assert_eq!(
            (words.len(), words[0], words[39]),
            (40, "\"column_0\",", "\"column_39\"")
        );
    }
}
