//! The troubles that `status` shows: what the running services note, and what the lake itself shows.

use std::time::Duration;

use super::{Notes, Status};
use crate::time::Moment;
use crate::trouble::{Trouble, TroubleKind};
use crate::words::{age, counted};

/// Notes are written every half minute. A service with older notes has crashed, hangs, or cannot write to the lake.
const SILENT_AFTER: Duration = Duration::from_mins(2);

/// Kinds that the lake shows better than the notes, which may be older.
const SHOWN_BY_THE_LAKE: [TroubleKind; 3] = [
    TroubleKind::Late,
    TroubleKind::Held,
    TroubleKind::NoIntegrations,
];

impl Notes {
    /// Returns whether the service that wrote the notes runs.
    #[must_use]
    pub fn is_running(&self, now: Moment) -> bool {
        self.ended_ms.is_none() && now.since(self.written()) <= SILENT_AFTER
    }

    /// Returns when the notes were written.
    #[must_use]
    pub fn written(&self) -> Moment {
        Moment::from_millis(self.written_ms)
    }
}

impl Status {
    /// Returns every trouble once, those that stop the most data first.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut found = self.noted();
        found.extend(self.silent());
        found.extend(self.shown());
        // The earliest of each kind, in the order of the kinds.
        let kinds = TroubleKind::ALL.into_iter();
        kinds
            .filter_map(|kind| {
                let of_kind = found.iter().filter(|trouble| trouble.kind == kind);
                of_kind.min_by_key(|trouble| trouble.since).cloned()
            })
            .collect()
    }

    /// Returns what the services that run have noted.
    fn noted(&self) -> Vec<Trouble> {
        let running = self
            .services
            .iter()
            .filter(|notes| notes.is_running(self.now));
        running
            .flat_map(|notes| &notes.troubles)
            .filter_map(Trouble::from_note)
            .filter(|trouble| !SHOWN_BY_THE_LAKE.contains(&trouble.kind))
            .collect()
    }

    /// Returns the services that have neither ended nor written notes lately. One that started later has taken the
    /// place of a service that crashed before.
    fn silent(&self) -> Vec<Trouble> {
        let is_silent = |notes: &&Notes| {
            let is_replaced = |other: &Notes| other.started_ms > notes.written_ms;
            notes.ended_ms.is_none()
                && !notes.is_running(self.now)
                && !self.services.iter().any(is_replaced)
        };
        let silent = self.services.iter().filter(is_silent);
        silent
            .map(|notes| {
                let for_how_long = age(self.now.since(notes.written()));
                let detail = format!("{}, for {for_how_long}", notes.instance);
                trouble(TroubleKind::ServiceSilent, notes.written(), detail)
            })
            .collect()
    }

    fn shown(&self) -> Vec<Trouble> {
        let mut shown = Vec::new();
        let late = self.late().count() as u64;
        if late > 0 {
            let tables = counted(late, "table");
            shown.push(trouble(TroubleKind::Late, self.now, tables));
        }
        let holds = self.integrations.iter().flat_map(|one| &one.tables);
        let since = holds.filter_map(|table| Some(table.hold.as_ref()?.since_us));
        if let Some(since_us) = since.min() {
            let tables = counted(self.held_tables(), "table");
            let since = Moment::from_millis(since_us / 1_000);
            shown.push(trouble(TroubleKind::Held, since, tables));
        }
        if let Some(first) = self.unread.first() {
            let places = counted(self.unread.len() as u64, "place");
            shown.push(Trouble {
                cure: first.advice.to_owned(),
                ..trouble(
                    TroubleKind::LakeUnreadable,
                    self.now,
                    format!("{places}, such as {}", first.name),
                )
            });
        } else if self.known == 0 {
            shown.push(trouble(
                TroubleKind::NoIntegrations,
                self.now,
                String::new(),
            ));
        }
        shown
    }
}

fn trouble(kind: TroubleKind, since: Moment, detail: String) -> Trouble {
    Trouble {
        kind,
        since,
        detail,
        cure: kind.cure().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_millis(1_700_000_000_000);

    fn notes(name: &str, started_ago_secs: i64, written_ago_secs: i64) -> Notes {
        let ago = |secs: i64| NOW.as_millis() - secs * 1_000;
        Notes {
            instance: name.to_owned(),
            started_ms: ago(started_ago_secs),
            written_ms: ago(written_ago_secs),
            troubles: vec![trouble(TroubleKind::KeyRefused, NOW, String::new()).note()],
            ..Notes::default()
        }
    }

    fn kinds(services: Vec<Notes>) -> Vec<&'static str> {
        let status = Status {
            now: NOW,
            notes: None,
            services,
            integrations: Vec::new(),
            unread: Vec::new(),
            known: 0,
        };
        let found = status.troubles();
        found.iter().map(|trouble| trouble.kind.as_str()).collect()
    }

    #[test]
    fn the_troubles_of_a_running_service_are_shown_and_old_ones_are_not() {
        assert_eq!(
            kinds(vec![notes("a", 900, 119)]),
            ["key_refused", "no_integrations"]
        );
        assert_eq!(
            kinds(vec![notes("a", 900, 121)]),
            ["no_integrations", "service_silent"]
        );
    }

    #[test]
    fn a_service_that_ended_or_was_replaced_is_not_silent() {
        let ended = Notes {
            ended_ms: Some(NOW.as_millis() - 300_000),
            ..notes("a", 900, 300)
        };
        assert_eq!(kinds(vec![ended]), ["no_integrations"]);
        let crashed = notes("a", 900, 300);
        let later = Notes {
            troubles: Vec::new(),
            ..notes("b", 290, 10)
        };
        assert_eq!(
            kinds(vec![crashed.clone(), later.clone()]),
            ["no_integrations"]
        );
        let beside = Notes {
            started_ms: crashed.started_ms,
            ..later
        };
        assert_eq!(
            kinds(vec![crashed, beside]),
            ["no_integrations", "service_silent"],
            "it did not replace the other one"
        );
    }
}
