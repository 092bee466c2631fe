//! `accept`: lists changes that the guard holds back, and accepts them.

use serde_json::{Value, json};

use super::args::AcceptArgs;
use super::cli_error::CliError;
use super::named::Named;
use super::output;
use super::session::Session;
use super::status::json::of_hold;
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
    let decision = decide(args, &lake, &chosen, session.clock.now()).await?;
    if args.json {
        output::line(format_args!("{:#}", decision.json()));
    } else {
        Terminal::stdout().print(&decision.text());
    }
    Ok(decision.is_seen())
}

/// What was held, and what became of it.
struct Decision {
    /// The held changes within the limits of the flags.
    held: Vec<Hold>,
    /// The number of held tables beyond these limits.
    elsewhere: usize,
    ending: DecisionEnding,
}

/// What became of held changes.
enum DecisionEnding {
    /// Nothing is held within the limits.
    Nothing,
    /// The held changes were only listed, because no flag says which to accept.
    Listed,
    /// The held changes would be accepted.
    DryRun,
    /// The holds that were to be stored, and those that the lake has now.
    Stored { asked: Vec<Hold>, stored: Vec<Hold> },
}

async fn decide(
    args: &AcceptArgs,
    lake: &Lake,
    chosen: &Named,
    now: Moment,
) -> Result<Decision, CliError> {
    let mut held = lake.holds().await?;
    held.retain(|hold| hold.state == HoldState::Held);
    let all = held.len();
    held.retain(|hold| chosen.has(&hold.integration, &hold.endpoint));
    // `--table all` is as clear an order as `--all`.
    let names_nothing = !args.all && args.chosen.tables.is_empty() && chosen.is_everything();
    let ending = if held.is_empty() {
        DecisionEnding::Nothing
    } else if names_nothing {
        DecisionEnding::Listed
    } else if args.dry_run {
        DecisionEnding::DryRun
    } else {
        // Only the holds that were read above are accepted: changes that are held meanwhile are not.
        let asked: Vec<Hold> = held.iter().map(|hold| accepted(hold, now)).collect();
        let stored = lake.put_holds(&asked).await?;
        DecisionEnding::Stored { asked, stored }
    };
    Ok(Decision {
        elsewhere: all - held.len(),
        held,
        ending,
    })
}

impl Decision {
    /// Returns whether nothing was held meanwhile that the list does not show.
    fn is_seen(&self) -> bool {
        match &self.ending {
            DecisionEnding::Stored { asked, stored } => {
                stored.iter().all(|hold| asked.contains(hold))
            }
            _ => true,
        }
    }

    fn text(&self) -> String {
        let list = list(&self.held, self.elsewhere);
        match &self.ending {
            DecisionEnding::Nothing => list,
            DecisionEnding::Listed => {
                let advice = "nothing was accepted: give --table, --integration or --all";
                format!("{list}\n{advice}\n")
            }
            DecisionEnding::DryRun => {
                let tables = counted(self.held.len() as u64, "table");
                format!("{list}\n{tables} would be accepted\n")
            }
            DecisionEnding::Stored { asked, stored } => {
                format!("{list}\n{}", outcome(asked, stored))
            }
        }
    }

    fn json(&self) -> Value {
        let named = |hold: &Hold| {
            json!({
                "table": hold.endpoint.table_name(),
                "integration": hold.integration.as_str(),
                "hold": of_hold(hold),
            })
        };
        let now = match &self.ending {
            DecisionEnding::Stored { stored, .. } => stored,
            _ => &self.held,
        };
        let holds: Vec<Value> = now.iter().map(named).collect();
        json!({
            "success": self.is_seen(),
            "would_accept": matches!(self.ending, DecisionEnding::DryRun),
            "holds": holds,
        })
    }
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
            decided => format!(
                "{:<10}{name}: another process decided this meanwhile\n",
                decided.as_str()
            ),
        }
    };
    stored.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
