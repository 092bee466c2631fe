//! What is wrong with the connection to a customer's tool, as a webhook of Kombo says.
//!
//! Kombo's texts are written for the Kombo user and may quote anything. So they are kept short, on one line, and without
//! what looks like an address or a number of a person.

use std::fmt;

use super::plain_text::{exact, on_one_line};
use crate::ids::IntegrationId;
use crate::time::Moment;

/// The most characters of a title, and of a remedy.
const TITLE_CHARS: usize = 200;
const REMEDY_CHARS: usize = 500;

/// The most bytes of an id, and of the name of a type.
const NAME_BYTES: usize = 128;

/// A number with so many digits may be that of a person: a phone, an account, an insurance.
const LONG_NUMBER: usize = 7;

/// Stands for what is left out.
const LEFT_OUT: &str = "[…]";

/// An issue of an integration, or of the whole environment.
#[derive(Clone, PartialEq, Eq)]
pub struct Issue {
    /// Kombo's id of the issue.
    pub id: String,
    /// The integration. `None` for an issue of the environment.
    pub integration: Option<IntegrationId>,
    /// Kombo's name of the type.
    pub kind: String,
    /// Kombo's title, bounded.
    pub title: Option<String>,
    /// What Kombo says to do, bounded.
    pub remedy: Option<String>,
    /// When Kombo first saw the issue.
    pub first_seen: Moment,
    /// When the issue was resolved. `None` while it is open.
    pub resolved: Option<Moment>,
}

impl Issue {
    /// Returns an issue with all texts bounded. `None` when its id or its type is no name.
    #[must_use]
    pub fn new(
        id: &str,
        integration: Option<IntegrationId>,
        kind: &str,
        (title, remedy): (&str, &str),
        (first_seen, resolved): (Moment, Option<Moment>),
    ) -> Option<Self> {
        let name = |text: &str| exact(text, NAME_BYTES).filter(|name| !name.contains(' '));
        Some(Self {
            id: name(id)?,
            integration,
            kind: name(kind)?,
            title: on_one_line(&impersonal(title), TITLE_CHARS),
            remedy: on_one_line(&impersonal(remedy), REMEDY_CHARS),
            first_seen,
            resolved,
        })
    }

    /// Returns the issue with no instant later than `now`, and none before the epoch.
    #[must_use]
    pub fn until(self, now: Moment) -> Self {
        let bound = |at: Moment| at.min(now).max(Moment::default());
        Self {
            first_seen: bound(self.first_seen),
            resolved: self.resolved.map(bound),
            ..self
        }
    }

    /// Returns the later of two states of one issue, whichever came first. An issue that Kombo saw again later is open
    /// again; a resolution ends what began before it.
    #[must_use]
    pub fn or_later(self, other: Self) -> Self {
        let rank = |one: &Self| (one.first_seen, one.resolved.is_some(), one.resolved);
        if rank(&other) > rank(&self) {
            other
        } else {
            self
        }
    }
}

/// Leaves out words that look like an address or a number of a person, and what follows `?` or `#` in a link.
fn impersonal(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if word.contains('@') || digits >= LONG_NUMBER {
            return LEFT_OUT.to_owned();
        }
        match word.find("://") {
            Some(_) => match word.find(['?', '#']) {
                Some(at) => format!("{}{LEFT_OUT}", &word[..at]),
                None => word.to_owned(),
            },
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

impl fmt::Debug for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Issue");
        shown.field("id", &self.id).field("kind", &self.kind);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(first_ms: i64, resolved_ms: Option<i64>) -> Issue {
        let at = Moment::from_millis;
        let texts = ("Credentials expire soon", "**Rotate** the key.");
        let when = (at(first_ms), resolved_ms.map(at));
        Issue::new("5aBc", None, "example_issue", texts, when).expect("an issue")
    }

    #[test]
    fn repeats_and_another_order_end_in_the_same_state() {
        let (raised, resolved, again) = (issue(1, None), issue(1, Some(5)), issue(7, None));
        for told in [
            [&raised, &resolved, &again],
            [&again, &resolved, &raised],
            [&resolved, &again, &raised],
        ] {
            let told = told.into_iter().chain([told[0]]).cloned();
            assert_eq!(told.reduce(Issue::or_later), Some(again.clone()));
        }
        assert_eq!(resolved.clone().or_later(raised.clone()), resolved);
        assert_eq!(raised.or_later(resolved.clone()), resolved);
    }

    #[test]
    fn nothing_about_a_person_is_kept_and_no_debug_shows_a_text() {
        let said = "Ask jane.doe@example.com (+49 151 2345678), or https://x.test/a?token=s3cret#b now\u{202e}";
        let when = (Moment::default(), None);
        let issue = Issue::new("i", None, "t", (said, said), when).expect("an issue");
        let kept = "Ask […] (+49 151 […] or https://x.test/a[…] now";
        assert_eq!(issue.title.as_deref(), Some(kept));
        assert_eq!(issue.remedy.as_deref(), Some(kept));
        assert!(!format!("{issue:?}").contains("Ask"));
        for bad in ["", "a b", "a\nb"] {
            assert_eq!(Issue::new(bad, None, "t", ("", ""), when), None);
            assert_eq!(Issue::new("i", None, bad, ("", ""), when), None);
        }
    }

    #[test]
    fn an_instant_from_outside_is_bounded() {
        let now = Moment::from_millis(10);
        let bounded = issue(i64::MAX / 2, Some(i64::MIN / 2)).until(now);
        assert_eq!(
            (bounded.first_seen, bounded.resolved),
            (now, Some(Moment::default()))
        );
    }
}
