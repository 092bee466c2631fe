//! Which rows the live demo changes. Kinds of changes take turns, and customers take turns.

use crate::company::{Change, ChangeKind, World};
use crate::ids::{EndpointName, IntegrationId};

/// The kinds of changes, in turn.
const KINDS: [ChangeKind; 4] = [
    ChangeKind::Edit,
    ChangeKind::Hire,
    ChangeKind::Delete,
    ChangeKind::Rename,
];

/// Makes the n-th change of the demo. Returns the changed row, and how many other rows had to change with it.
pub(super) fn change(world: &mut World, nth: usize) -> Option<(Change, usize)> {
    let (integration, endpoint) = target(world, nth)?;
    // A small table may have no row left that can change. A new row is always possible.
    for kind in [KINDS[nth % KINDS.len()], ChangeKind::Hire] {
        let Ok(changes) = world.change(kind, &integration, Some(&endpoint), None) else {
            continue;
        };
        let others = changes.len().saturating_sub(1);
        let own = changes.into_iter().find(|change| {
            change.record.is_some() && change.endpoint.as_ref() == Some(&endpoint)
        })?;
        return Some((own, others));
    }
    None
}

/// Returns the table of the n-th change. Customers take turns, and so do the tables of each, the largest first.
fn target(world: &World, nth: usize) -> Option<(IntegrationId, EndpointName)> {
    let mut customers = Vec::new();
    for integration in world.integrations() {
        let mut told: Vec<_> = integration.endpoints().collect();
        told.retain(|(endpoint, rows)| {
            *rows > 0 && endpoint.updated_after && !endpoint.models.is_empty()
        });
        told.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        // Assessments have no models, so no webhook would report a change of their rows.
        if !told.is_empty() {
            customers.push((integration.id(), told));
        }
    }
    let turn = nth.checked_div(customers.len())?;
    let (id, tables) = customers.get(nth % customers.len())?;
    let (endpoint, _) = tables.get(turn % tables.len())?;
    Some(((*id).clone(), endpoint.name().clone()))
}
