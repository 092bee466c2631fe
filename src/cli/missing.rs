//! Report lines about known rows that a full fetch lacked: how many, how many Kombo was asked for, and the answers.

use crate::backfill::outcome::TableOutcome;
use crate::stream::Verdicts;
use crate::words::{count, counted};

/// Returns a line about a table whose full fetch lacked rows or showed deletions; `None` for other tables.
pub(super) fn said(outcome: &TableOutcome) -> Option<String> {
    let missing = outcome.done.as_ref()?.missing;
    (missing != Verdicts::default()).then(|| {
        let parts = parts(missing).join(", ");
        format!("missing   {}: {parts}", outcome.table)
    })
}

fn parts(missing: Verdicts) -> Vec<String> {
    let Verdicts {
        asked,
        found,
        gone,
        shown,
        unconfirmed,
        ..
    } = missing;
    let lacked = found + gone + unconfirmed - shown;
    let mut parts = Vec::new();
    if lacked > 0 {
        let (lacked, asked) = (counted(lacked, "known row"), count(asked));
        parts.push(format!(
            "the full fetch lacked {lacked}, Kombo was asked for {asked} of them"
        ));
    }
    let mut some = |number: u64, text: &str| {
        parts.extend((number > 0).then(|| format!("{} {text}", count(number))));
    };
    some(found, "found and fetched");
    some(gone - shown, "gone");
    some(unconfirmed, "not confirmed to be gone and kept");
    some(shown, "shown as deleted");
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_many_were_asked_for_and_what_came_of_it() {
        let mixed = Verdicts {
            asked: 1_000,
            found: 3,
            gone: 1_297,
            shown: 300,
            unconfirmed: 9_000,
            unasked: 9_000,
        };
        assert_eq!(
            parts(mixed).join(", "),
            "the full fetch lacked 10,000 known rows, Kombo was asked for 1,000 of them, 3 found and fetched, 997 gone, \
             9,000 not confirmed to be gone and kept, 300 shown as deleted"
        );
        let shown = Verdicts {
            gone: 2,
            shown: 2,
            ..Verdicts::default()
        };
        assert_eq!(parts(shown), ["2 shown as deleted"]);
    }
}
