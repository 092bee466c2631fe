//! `accept`: what the guard holds back, and letting it through.

use super::args::AcceptArgs;
use super::cli_error::CliError;
use super::named::Named;
use super::session::Session;
use crate::lake::{Hold, Lake};
use crate::time::Moment;
use crate::versions::guard::HoldState;
use crate::words::counted;

/// Lists what is held and accepts what is chosen. `false` when something was held meanwhile that nobody has seen.
pub(super) async fn run(args: &AcceptArgs, session: &Session) -> Result<bool, CliError> {
    let (id, table) = (args.integration.as_deref(), args.table.as_deref());
    let chosen = Named::of(&session.catalog, id, table)?;
    let lake = session.lake_there().await?;
    let (text, seen) = decide(args, &lake, &chosen, session.clock.now()).await?;
    print!("{text}");
    Ok(seen)
}

async fn decide(
    args: &AcceptArgs,
    lake: &Lake,
    chosen: &Named,
    now: Moment,
) -> Result<(String, bool), CliError> {
    let mut held = lake.holds().await?;
    held.retain(|hold| hold.state == HoldState::Held);
    let all = held.len();
    held.retain(|hold| has(chosen, hold));
    let list = list(&held, all - held.len());
    if held.is_empty() {
        return Ok((list, true));
    }
    let is_everything = chosen.integration.is_none() && chosen.endpoint.is_none();
    if !args.all && is_everything {
        let advice = "nothing was accepted: name a table, an integration, or --all";
        return Ok((format!("{list}\n{advice}\n"), true));
    }
    if args.dry_run {
        let tables = counted(held.len() as u64, "table");
        return Ok((format!("{list}\n{tables} would be accepted\n"), true));
    }
    // As they were seen: what is held meanwhile is not accepted with it.
    let asked: Vec<Hold> = held.iter().map(|hold| accepted(hold, now)).collect();
    let stored = lake.put_holds(&asked).await?;
    let seen = stored.iter().all(|hold| asked.contains(hold));
    Ok((format!("{list}\n{}", outcome(&asked, &stored)), seen))
}

fn has(chosen: &Named, hold: &Hold) -> bool {
    let (integration, endpoint) = (chosen.integration.as_ref(), chosen.endpoint.as_ref());
    integration.is_none_or(|wanted| *wanted == hold.integration)
        && endpoint.is_none_or(|wanted| *wanted == hold.endpoint)
}

fn accepted(hold: &Hold, now: Moment) -> Hold {
    let decided_at_us = now.as_millis().saturating_mul(1000);
    Hold {
        state: HoldState::Accepted,
        decided_at_us: Some(decided_at_us),
        updated_at_us: decided_at_us,
        ..hold.clone()
    }
}

fn list(held: &[Hold], elsewhere: usize) -> String {
    if held.is_empty() && elsewhere == 0 {
        return "nothing is held\n".to_owned();
    }
    if held.is_empty() {
        let tables = counted(elsewhere as u64, "other table");
        return format!("nothing of that is held; {tables}: `kombo-source accept` lists what is\n");
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
