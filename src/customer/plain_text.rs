//! Bounds texts of Kombo, which end up in tables and on terminals.

/// Returns a text on one line, without control and format characters, with at most so many characters. `None` when
/// nothing is left.
pub(super) fn on_one_line(text: &str, most: usize) -> Option<String> {
    let mut line = String::new();
    let mut left = most;
    let shown = text.chars().map(|c| if is_shown(c) { c } else { ' ' });
    let shown: String = shown.collect();
    for word in shown.split_whitespace() {
        let space = usize::from(!line.is_empty());
        if left <= space {
            break;
        }
        if space == 1 {
            line.push(' ');
        }
        left -= space;
        line.extend(word.chars().take(left));
        left = left.saturating_sub(word.chars().count());
    }
    (!line.is_empty()).then_some(line)
}

/// Returns a text exactly as it is. `None` when it is empty, longer than so many bytes, or has characters that are not
/// shown: a shortened id would be the id of somebody else.
pub(super) fn exact(text: &str, most_bytes: usize) -> Option<String> {
    let fits = (1..=most_bytes).contains(&text.len()) && text.chars().all(is_shown);
    fits.then(|| text.to_owned())
}

/// Returns whether a character is neither a control character nor one that only changes how its neighbours are shown.
fn is_shown(c: char) -> bool {
    let changes_others = matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !c.is_control() && !changes_others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_on_one_line_and_within_its_bound() {
        let line = |text: &str, most| on_one_line(text, most);
        assert_eq!(line("  a\n\tb\u{202e}c ", 99).as_deref(), Some("a b c"));
        assert_eq!(line("ab cd", 4).as_deref(), Some("ab c"));
        assert_eq!(line("äöü", 2).as_deref(), Some("äö"));
        assert_eq!(line("ab cd", 2).as_deref(), Some("ab"));
        for empty in ["", " \n ", "\u{200b}"] {
            assert_eq!(line(empty, 9), None);
        }
    }

    #[test]
    fn an_id_is_kept_as_it_is_or_not_at_all() {
        assert_eq!(exact("tenant 42 ", 10).as_deref(), Some("tenant 42 "));
        for bad in ["", "tenant 42 !", "a\nb", "a\u{202e}b"] {
            assert_eq!(exact(bad, 10), None, "{bad:?}");
        }
    }
}
