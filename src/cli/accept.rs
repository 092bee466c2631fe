//! `accept`: lists changes that the guard holds back, and accepts them.

use super::args::AcceptArgs;
use super::cli_error::CliError;
use super::named::Named;
use super::session::Session;
use super::terminal::Terminal;
use crate::lake::{Hold, Lake};
use crate::time::Moment;
use crate::versions::guard::HoldState;
use crate::words::counted;

/// Lists held changes and accepts the chosen ones. Returns `false` when more was held meanwhile than the list showed.
pub(super) async fn run(args: &AcceptArgs, session: &Session) -> Result<bool, CliError> {
    let (ids, tables) = (&args.chosen.integrations, &args.chosen.tables);
    let chosen = Named::of(&session.catalog, ids, tables)?;
    let lake = session.lake_there().await?;
    let (text, seen) = decide(args, &lake, &chosen, session.clock.now()).await?;
    Terminal::stdout().print(&text);
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
    held.retain(|hold| chosen.has(&hold.integration, &hold.endpoint));
    let list = list(&held, all - held.len());
    if held.is_empty() {
        return Ok((list, true));
    }
    // `--table all` is as clear an order as `--all`.
    let is_list = args.chosen.tables.is_empty() && chosen.is_everything();
    if !args.all && is_list {
        let advice = "nothing was accepted: give --table, --integration or --all";
        return Ok((format!("{list}\n{advice}\n"), true));
    }
    if args.dry_run {
        let tables = counted(held.len() as u64, "table");
        return Ok((format!("{list}\n{tables} would be accepted\n"), true));
    }
    // Only the holds that were read above are accepted: changes that are held meanwhile are not.
    let asked: Vec<Hold> = held.iter().map(|hold| accepted(hold, now)).collect();
    let stored = lake.put_holds(&asked).await?;
    let seen = stored.iter().all(|hold| asked.contains(hold));
    Ok((format!("{list}\n{}", outcome(&asked, &stored)), seen))
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
        return format!(
            "nothing of the chosen tables is held; changes of {tables} are: `kombo-source accept` lists them\n"
        );
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
            return format!("accepted  {name}: the next fold applies it\n");
        }
        match hold.state {
            HoldState::Held => {
                format!(
                    "held      {name}: more changes were held meanwhile; read the list and accept again\n"
                )
            }
            decided => format!("{:<10}{name}: decided meanwhile\n", decided.as_str()),
        }
    };
    stored.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
