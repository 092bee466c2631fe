//! The findings of full fetches: how complete each table was, and what the guard holds back.

use std::collections::HashMap;

use super::{Status, Unread};
use crate::ids::{EndpointName, IntegrationKey};
use crate::lake::{ComparedTable, Completeness, Hold, Lake};
use crate::versions::guard::HoldState;

/// The findings of full fetches, by table.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    completeness: HashMap<ComparedTable, Completeness>,
    holds: HashMap<(IntegrationKey, EndpointName), Hold>,
}

impl Findings {
    /// Reads `kombo_drift` and `kombo_holds`, each by itself. Creates nothing.
    pub async fn read(lake: &Lake, unread: &mut Vec<Unread>) -> Self {
        let completeness = Unread::or(unread, "kombo_drift", lake.completeness().await);
        let holds = Unread::or(unread, "kombo_holds", lake.holds().await);
        Self::of(completeness.unwrap_or_default(), holds.unwrap_or_default())
    }

    /// Keeps only the holds that wait for a decision.
    #[must_use]
    pub fn of(completeness: HashMap<ComparedTable, Completeness>, holds: Vec<Hold>) -> Self {
        let held = holds
            .into_iter()
            .filter(|hold| hold.state == HoldState::Held);
        let keyed = held.map(|hold| ((hold.integration.key(), hold.endpoint.clone()), hold));
        Self {
            completeness,
            holds: keyed.collect(),
        }
    }

    /// Adds the findings to each table of a status.
    pub(super) fn add_to(mut self, status: &mut Status) {
        for one in &mut status.integrations {
            let Some(key) = one.key() else { continue };
            for table in &mut one.tables {
                let compared = (key.clone(), table.endpoint.table_name());
                table.completeness = self.completeness.get(&compared).copied();
                table.hold = self.holds.remove(&(key.clone(), table.endpoint.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Category, IntegrationId};
    use crate::lake::TableOverview;
    use crate::status::{Freshness, IntegrationNote, IntegrationStatus, TableNote, TableStatus};
    use crate::time::ObservedAt;
    use crate::versions::guard::HoldCause;

    fn table(endpoint: &str) -> TableStatus {
        TableStatus {
            endpoint: EndpointName::new(Category::Ats, endpoint),
            stored: TableOverview::default(),
            note: TableNote::default(),
            verdict: Freshness::Fresh,
            completeness: None,
            hold: None,
        }
    }

    fn integration(name: &str) -> IntegrationStatus {
        IntegrationStatus {
            name: name.to_owned(),
            state: "active".to_owned(),
            note: IntegrationNote::default(),
            tables: vec![table("jobs"), table("tags")],
        }
    }

    fn hold(id: &IntegrationId, endpoint: &str, state: HoldState) -> Hold {
        Hold {
            integration: id.clone(),
            endpoint: EndpointName::new(Category::Ats, endpoint),
            state,
            since_us: 1,
            until_us: 2,
            held_rows: 3,
            removed: 3,
            nulled: 0,
            unconfirmed: 0,
            table_rows: 3,
            columns: Vec::new(),
            cause: HoldCause::MassDelete,
            detail: String::new(),
            confirmable_us: None,
            decided_at_us: None,
            updated_at_us: 2,
        }
    }

    #[test]
    fn each_table_gets_its_own_and_what_is_decided_is_left_out() {
        let id = IntegrationId::new("tool:a").expect("an id");
        let unregistered = IntegrationId::new("tool:b").expect("an id").key();
        let one = |rows, drifted| Completeness {
            compared: ObservedAt::from_micros(1),
            rows,
            drifted,
        };
        let completeness = HashMap::from([
            ((id.key(), "ats_jobs".to_owned()), one(10, 1)),
            ((unregistered.clone(), "ats_tags".to_owned()), one(30, 0)),
        ]);
        let holds = vec![
            hold(&id, "jobs", HoldState::Accepted),
            hold(&id, "tags", HoldState::Held),
        ];
        let mut status = Status {
            now: crate::time::Moment::default(),
            notes: None,
            services: Vec::new(),
            known: 2,
            unread: Vec::new(),
            integrations: vec![integration("tool:a"), integration(unregistered.as_str())],
        };
        Findings::of(completeness, holds).add_to(&mut status);
        let [registered, by_key] = &status.integrations[..] else {
            panic!("two integrations")
        };
        assert_eq!(registered.completeness(), Some(one(10, 1)));
        assert_eq!(by_key.tables[1].completeness, Some(one(30, 0)));
        assert_eq!(status.completeness(), Some(one(40, 1)));
        assert_eq!(registered.tables[0].hold, None);
        assert!(registered.tables[1].hold.is_some());
        assert_eq!(status.held_tables(), 1);
    }
}
