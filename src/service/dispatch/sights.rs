//! The troubles that the dispatcher knows of.

use std::time::Duration;

use super::{Account, Dispatch, TrackedTable};
use crate::ids::TableId;
use crate::plan::{Standing, Suspicion};
use crate::time::Moment;
use crate::trouble::{Sight, TroubleKind};
use crate::words::{age, count, counted};

/// What is seen of one kind of trouble. `None` means that the trouble is not there.
pub(in crate::service) type Seen = (TroubleKind, Option<Sight>);

impl Dispatch {
    /// Returns what is seen of each kind of trouble that concerns the key, the integrations and the tables.
    pub(in crate::service) fn sights(&self, now: Moment) -> [Seen; 5] {
        [
            (TroubleKind::KeyRefused, self.key_trouble()),
            (TroubleKind::NoIntegrations, self.nothing_to_fetch()),
            (TroubleKind::NoWebhooks, self.silence()),
            (TroubleKind::Late, self.lateness(now)),
            (TroubleKind::FetchesFailing, self.failures()),
        ]
    }

    fn key_trouble(&self) -> Option<Sight> {
        let pause = self.key.as_ref()?;
        Some(Sight::default().since(pause.since))
    }

    fn nothing_to_fetch(&self) -> Option<Sight> {
        let is_gone =
            |account: &&Account| matches!(account.standing, Standing::Deleted | Standing::Purged);
        if self.accounts.values().any(|account| !is_gone(&account)) {
            return None;
        }
        if self.candidates() > 0 {
            let waiting = counted(self.candidates() as u64, "new integration");
            let sight = Sight::of(format!(
                "Kombo has not confirmed {waiting} that webhooks named"
            ));
            return Some(sight.cure("wait for Kombo's confirmation; if it does not come, check that the API key belongs to the environment of the webhook"));
        }
        if self.rules.expects_webhooks {
            return Some(Sight::default());
        }
        let sight = Sight::of("and no webhook is configured that could name one");
        Some(sight.cure("list the ids of your customers' integrations under `integrations`, or run `kombo-source backfill --integration ID` on this lake and restart the service"))
    }

    fn silence(&self) -> Option<Sight> {
        let suspicions = self.accounts.iter().filter_map(|(id, account)| {
            let (Suspicion::Unannounced { since } | Suspicion::Silent { since }) =
                account.suspicion?;
            Some((since, id))
        });
        let (mut number, mut first) = (0, None);
        for suspicion in suspicions {
            number += 1;
            first = first.min(Some(suspicion)).or(Some(suspicion));
        }
        let (since, id) = first?;
        let whose = counted(number, "integration");
        Some(Sight::of(format!("of {whose}, such as {id}")).since(since))
    }

    fn lateness(&self, now: Moment) -> Option<Sight> {
        let period = self.heartbeat_period();
        let (mut late, mut oldest) = (0, None::<(Duration, &TableId)>);
        for (id, table) in self.fetched_tables() {
            let objective = self.rules.schedule.objective_of(&table.endpoint, period);
            let Some(base) = table.base else {
                // It was fetched, but Kombo sent no usable `Date`, so its age is unknown.
                late += u64::from(table.last_fetch().is_some());
                continue;
            };
            let is_age = now.since(base.moment());
            if is_age > objective {
                late += 1;
                oldest = oldest.max(Some((is_age, id)));
            }
        }
        (late > 0).then(|| {
            let tables = counted(late, "table");
            let example = oldest.map(|(old, id)| format!(", {id} for {}", age(old)));
            Sight::of(format!("{tables}{}", example.unwrap_or_default()))
        })
    }

    fn failures(&self) -> Option<Sight> {
        let (mut number, mut first) = (0, None);
        for (id, table) in self.fetched_tables() {
            if let Some(error) = &table.error {
                number += 1;
                let this = (error.since, id, error.message.as_str());
                first = first.min(Some(this)).or(Some(this));
            }
        }
        let (since, id, message) = first?;
        let others = match number {
            1 => String::new(),
            more => format!(" (and {} more)", count(more - 1)),
        };
        Some(Sight::of(format!("{id}{others}: {message}")).since(since))
    }

    /// Returns the tables that are to be fetched: neither parked nor switched off.
    fn fetched_tables(&self) -> impl Iterator<Item = (&TableId, &TrackedTable)> {
        self.tables.iter().filter(|(id, table)| {
            let account = self.accounts.get(&id.integration);
            table.off.is_none() && account.is_some_and(Account::is_fetched)
        })
    }
}
