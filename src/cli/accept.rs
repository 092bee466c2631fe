//! `accept`: what the guard holds back, and letting it through.

use super::args::AcceptArgs;
use super::failure::Failure;
use super::named::{endpoint, integration};
use super::session::Session;
use crate::catalog::Catalog;
use crate::ids::{EndpointName, IntegrationId};
use crate::lake::{Hold, Lake};
use crate::versions::guard::HoldState;
use crate::words::counted;

/// Which held tables are meant.
struct Chosen {
    integration: Option<IntegrationId>,
    endpoint: Option<EndpointName>,
}

/// Lists what is held and accepts what is chosen. `false` when something was held meanwhile that nobody has seen.
pub(super) async fn run(
    args: &AcceptArgs,
    session: &Session,
    catalog: &Catalog,
) -> Result<bool, Failure> {
    let chosen = Chosen::of(args, catalog)?;
    let lake = session.lake_there().await?;
    let now_ms = session.clock.now().as_millis();
    let (text, seen) = decide(args, &lake, &chosen, now_ms).await?;
    print!("{text}");
    Ok(seen)
}

async fn decide(
    args: &AcceptArgs,
    lake: &Lake,
    chosen: &Chosen,
    now_ms: i64,
) -> Result<(String, bool), Failure> {
    let mut held = lake.holds().await?;
    held.retain(|hold| hold.state == HoldState::Held);
    let all = held.len();
    held.retain(|hold| chosen.has(hold));
    let list = list(&held, all - held.len());
    if held.is_empty() {
        return Ok((list, true));
    }
    if !args.all && chosen.is_everything() {
        let advice = "nothing was accepted: name a table, an integration, or --all";
        return Ok((format!("{list}\n{advice}\n"), true));
    }
    if args.dry_run {
        let tables = counted(held.len() as u64, "table");
        return Ok((format!("{list}\n{tables} would be accepted\n"), true));
    }
    // As they were seen: what is held meanwhile is not accepted with it.
    let asked: Vec<Hold> = held.iter().map(|hold| accepted(hold, now_ms)).collect();
    let stored = lake.put_holds(&asked).await?;
    let seen = stored.iter().all(|hold| asked.contains(hold));
    Ok((format!("{list}\n{}", outcome(&asked, &stored)), seen))
}

impl Chosen {
    fn of(args: &AcceptArgs, catalog: &Catalog) -> Result<Self, Failure> {
        let table = args.table.as_deref();
        let table = table.map(|table| endpoint(catalog, table)).transpose()?;
        Ok(Self {
            integration: args.integration.as_deref().map(integration).transpose()?,
            endpoint: table.map(|endpoint| endpoint.name().clone()),
        })
    }

    fn has(&self, hold: &Hold) -> bool {
        let integration = self.integration.as_ref();
        let endpoint = self.endpoint.as_ref();
        integration.is_none_or(|wanted| *wanted == hold.integration)
            && endpoint.is_none_or(|wanted| *wanted == hold.endpoint)
    }

    fn is_everything(&self) -> bool {
        self.integration.is_none() && self.endpoint.is_none()
    }
}

fn accepted(hold: &Hold, now_ms: i64) -> Hold {
    let decided_at_us = now_ms.saturating_mul(1000);
    Hold {
        state: HoldState::Accepted,
        decided_at_us: Some(decided_at_us),
        updated_at_us: decided_at_us,
        ..hold.clone()
    }
}

fn list(held: &[Hold], elsewhere: usize) -> String {
    if held.is_empty() {
        return match elsewhere {
            0 => "nothing is held\n".to_owned(),
            more => {
                let tables = counted(more as u64, "other table");
                format!("nothing of that is held; {tables}: `kombo-source accept` lists what is\n")
            }
        };
    }
    let four = |hold: &Hold| {
        let (what, rows) = (hold.what(), hold.rows());
        let (until, command) = (hold.until(), hold.accept_command());
        format!("held    {what}\n        {rows}\n        {until}\n        {command}\n")
    };
    held.iter().map(four).collect()
}

fn outcome(asked: &[Hold], stored: &[Hold]) -> String {
    let one = |hold: &Hold| {
        let name = hold.name();
        if asked.contains(hold) {
            return format!("accepted  {name}: the next fold takes it in\n");
        }
        match hold.state {
            HoldState::Held => {
                format!("held      {name}: more came meanwhile; look at it and accept again\n")
            }
            decided => format!("{:<10}{name}: decided meanwhile\n", decided.as_str()),
        }
    };
    stored.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
