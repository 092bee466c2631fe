//! `purge`: removes the rows of deleted integrations from the lake; without `--yes` it lists them.

use std::time::Duration;

use serde_json::{Value, json};

use super::args::PurgeArgs;
use super::cli_error::{CliError, FAILED, USAGE};
use super::failed::{NARROW, as_json, failed, text};
use super::named;
use super::output;
use super::session::Session;
use super::terminal::Terminal;
use super::text_table::{Column, TextTable};
use crate::api::KomboApi;
use crate::ids::IntegrationId;
use crate::lake::{
    Lake, PurgeAnswers, PurgeDepth, PurgeDue, PurgeReport, PurgeSettings, TablePurge,
};
use crate::service::ApiQuestions;
use crate::sink::Registration;
use crate::time::{Moment, format_date};
use crate::words::with_causes;
use crate::words::{bytes, count, counted};

const DAY: Duration = Duration::from_hours(24);

/// Purges with `--yes`, and otherwise prints what it would do. Returns `false` when some tables could not be purged, or when
/// Kombo did not confirm for all integrations whether they are gone.
pub(super) async fn run(args: &PurgeArgs, session: &Session) -> Result<bool, CliError> {
    let lake = session.lake_for(args.done.yes).await?;
    let only = named::integrations(&args.integrations)?;
    for id in only.iter().flatten() {
        is_deleted(&lake, id).await?;
    }
    let settings = PurgeSettings {
        after: args.after.unwrap_or(PurgeSettings::AFTER),
        only,
        purged_too: args.now,
    };
    let found = lake.purge_due(&settings).await?;
    let answers = ask(session, &found).await?;
    let depth = match (args.done.yes, args.now) {
        (false, _) => PurgeDepth::Plan,
        (true, false) => PurgeDepth::Rows,
        (true, true) => PurgeDepth::Files,
    };
    let endpoints = session.catalog.endpoints();
    let report = lake.purge_answered(endpoints, &found, &answers, depth);
    let report = report.await?;
    let purge = Purge {
        found,
        answers,
        report,
        dry_run: !args.done.yes,
        now: args.now,
        grace: session.config.upkeep().grace(),
    };
    if args.json {
        output::line(format_args!("{:#}", purge.json()));
    } else {
        let terminal = Terminal::stdout();
        terminal.print(&purge.text(&terminal));
    }
    Ok(purge.report.failed.is_empty() && !purge.answers.is_open())
}

/// Asks Kombo for the integrations that are due. Without an answer nothing may be purged and nothing can be listed.
async fn ask(session: &Session, found: &PurgeDue) -> Result<PurgeAnswers, CliError> {
    if found.due.is_empty() {
        return Ok(PurgeAnswers::default());
    }
    let refused = |cause: String, advice: String| {
        let message = format!(
            "nothing is purged: Kombo has to confirm that the integrations are gone, and cannot be asked: {cause}"
        );
        CliError::new(FAILED, message, advice)
    };
    let api = session.api().map_err(|failure| {
        let advice = "set KOMBO_API_KEY, or api_key_file in the configuration, and run it again";
        refused(failure.line(), advice.to_owned())
    })?;
    if let Err(error) = api.check_key().await {
        return Err(refused(with_causes(&error), error.advice().to_owned()));
    }
    Ok(PurgeAnswers::ask(&ApiQuestions::new(api), found).await)
}

/// The result of a purge.
struct Purge {
    found: PurgeDue,
    answers: PurgeAnswers,
    report: PurgeReport,
    dry_run: bool,
    /// Whether the files of earlier versions are deleted as well.
    now: bool,
    /// How long upkeep keeps the files that hold the purged rows.
    grace: Duration,
}

/// Returns an error for an integration that may not be purged, because it is not deleted.
async fn is_deleted(lake: &Lake, id: &IntegrationId) -> Result<(), CliError> {
    let known = lake.registered().await?;
    let known = known.into_iter().find(|known| known.integration == *id);
    let state = known.map_or_else(|| "unknown".to_owned(), |known| known.state);
    if [Registration::DELETED, Registration::PURGED].contains(&state.as_str()) {
        return Ok(());
    }
    let message = format!("{id} is {state}, not deleted");
    let advice = match state.as_str() {
        Registration::DELETING => {
            "an integration counts as deleted when Kombo did not find it twice, a day apart; a running service and each backfill ask"
        }
        _ => {
            "only integrations that Kombo no longer finds are purged; `kombo-source status` shows the state of each"
        }
    };
    Err(CliError::new(USAGE, message, advice))
}

impl Purge {
    fn text(&self, terminal: &Terminal) -> String {
        let mut lines = Vec::new();
        let report = &self.report;
        let to_do = if self.dry_run { "to purge" } else { "purged" };
        let purged = report.integrations.iter();
        lines.extend(purged.map(|id| format!("{to_do:<9}{id}")));
        let kept = self.answers.kept.iter();
        lines.extend(
            kept.map(|(id, kept)| format!("stays    {id}: {kept}\n         {}", kept.advice())),
        );
        let waiting = self.found.waiting.iter();
        lines.extend(waiting.map(|(id, due)| {
            let day = day(*due);
            format!("waits    {id}, until {day}")
        }));
        let tables = report.tables.iter();
        let tables = tables.map(|done| (&*done.table, done.rows, done.files));
        lines.extend(rewritten(tables, terminal));
        let set_aside = report.failed.iter();
        lines.extend(set_aside.map(|(table, error)| failed(NARROW, table, error, error.advice())));
        lines.push(self.last_line());
        text(&lines)
    }

    /// Returns the report as one JSON document. In a dry run it lists the work to do.
    fn json(&self) -> Value {
        let report = &self.report;
        let purged: Vec<&str> = report
            .integrations
            .iter()
            .map(IntegrationId::as_str)
            .collect();
        let kept = self.answers.kept.iter().map(|(id, kept)| {
            json!({"integration": id.as_str(), "reason": kept.to_string(), "advice": kept.advice()})
        });
        let waiting = self.found.waiting.iter();
        let waiting =
            waiting.map(|(id, due)| json!({"integration": id.as_str(), "until": day(*due)}));
        let tables = report.tables.iter();
        let tables =
            tables.map(|done| json!({"table": done.table, "rows": done.rows, "files": done.files}));
        let failed = report.failed.iter();
        json!({
            "success": report.failed.is_empty() && !self.answers.is_open(),
            "dry_run": self.dry_run,
            "purged": purged,
            "kept": kept.collect::<Vec<_>>(),
            "waiting": waiting.collect::<Vec<_>>(),
            "tables": tables.collect::<Vec<_>>(),
            "deleted_files": report.deleted_files,
            "deleted_bytes": report.deleted_bytes,
            "warnings": if self.now { OUTSIDE.lines().collect::<Vec<_>>() } else { Vec::new() },
            "failed": as_json(failed.map(|(table, error)| (&**table, error))),
        })
    }

    fn last_line(&self) -> String {
        let report = &self.report;
        if report.integrations.is_empty() {
            return "nothing to purge".to_owned();
        }
        let sum = |of: fn(&TablePurge) -> u64| report.tables.iter().map(of).sum();
        let (rows, files) = (
            counted(sum(|done| done.rows), "row"),
            counted(sum(|done| done.files), "file"),
        );
        if self.dry_run {
            let to_do = format!("to do: {rows} leave {files}; nothing is changed without --yes");
            return if self.now {
                format!(
                    "{to_do}\nwith --yes --now every earlier version of these tables is deleted, too\n{OUTSIDE}"
                )
            } else {
                to_do
            };
        }
        if !report.failed.is_empty() {
            return format!("done: {rows} left {files}; run it again for the rest");
        }
        if self.now {
            let deleted = counted(report.deleted_files, "file");
            let size = bytes(report.deleted_bytes);
            return format!(
                "done: {rows} left {files}; {deleted} ({size}) of earlier versions deleted\n{OUTSIDE}"
            );
        }
        let from = day(self.found.now + self.grace + DAY);
        format!(
            "done: {rows} left {files}\n\
            no reader of the tables sees them from now on; older versions can be read until upkeep deletes the files, from {from} on"
        )
    }
}

/// What a purge at once does to readers, and what it cannot reach.
const OUTSIDE: &str = "\
readers of these tables that are running fail and have to start again
what the bucket itself keeps (versioning, soft delete) is not deleted: its own rules delete that";

const REWRITTEN: [Column; 3] = [
    Column::text("table", 36),
    Column::number("rows", 12),
    Column::number("files", 8),
];

/// Returns a table of how many rows of each Delta table are in rewritten files; nothing without a row.
pub(super) fn rewritten<'a>(
    all: impl Iterator<Item = (&'a str, u64, u64)>,
    terminal: &Terminal,
) -> Vec<String> {
    let mut table = TextTable::new(&REWRITTEN);
    for (name, rows, files) in all {
        table.add([name.to_owned(), count(rows), count(files)]);
    }
    if table.is_empty() {
        return Vec::new();
    }
    table.lines(terminal)
}

fn day(at: Moment) -> String {
    let days = at.as_millis().div_euclid(86_400_000);
    format_date(i32::try_from(days).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{UpkeepSettings, WhyKept};
    use crate::plan::Standing;

    fn id(id: &str) -> IntegrationId {
        IntegrationId::new(id).expect("an id")
    }

    fn purge(dry_run: bool) -> Purge {
        let kept = WhyKept::Alive(Standing::Active);
        Purge {
            found: PurgeDue {
                due: Vec::new(),
                waiting: vec![(id("lever:later"), Moment::from_millis(1_700_000_000_000))],
                now: Moment::from_millis(1_699_000_000_000),
            },
            answers: PurgeAnswers {
                gone: Vec::new(),
                kept: vec![(id("hibob:alive"), kept)],
            },
            report: PurgeReport {
                integrations: vec![id("personio:gone")],
                tables: vec![TablePurge {
                    table: "ats_tags/deltas".to_owned(),
                    rows: 1_200,
                    files: 3,
                }],
                ..PurgeReport::default()
            },
            dry_run,
            now: false,
            grace: UpkeepSettings::SHORTEST_GRACE,
        }
    }

    #[test]
    fn it_says_who_is_purged_and_who_stays_or_waits_and_until_when_files_stay() {
        let expected = "\
to purge personio:gone
stays    hibob:alive: Kombo finds the integration: it is active, not deleted
         a running service fetches the integration again within a day; restart the service to fetch it now
waits    lever:later, until 2023-11-14
table                                       rows   files
ats_tags/deltas                            1,200       3
to do: 1,200 rows leave 3 files; nothing is changed without --yes
";
        assert_eq!(purge(true).text(&Terminal::default()), expected);
        let json = purge(true).json();
        assert_eq!(json["purged"][0], "personio:gone");
        assert_eq!(json["kept"][0]["integration"], "hibob:alive");
        assert_eq!(json["waiting"][0]["until"], "2023-11-14");
        let done = purge(false).text(&Terminal::default());
        assert!(done.contains("purged   personio:gone"), "{done}");
        assert!(done.ends_with("from 2023-11-18 on\n"), "{done}");
        let nothing = Purge {
            found: PurgeDue::default(),
            answers: PurgeAnswers::default(),
            report: PurgeReport::default(),
            dry_run: false,
            now: false,
            grace: UpkeepSettings::SHORTEST_GRACE,
        };
        assert_eq!(nothing.text(&Terminal::default()), "nothing to purge\n");
    }
    #[test]
    fn a_purge_at_once_says_what_it_does_to_readers_and_what_it_cannot_reach() {
        let mut at_once = Purge {
            now: true,
            ..purge(true)
        };
        let planned = at_once.text(&Terminal::default());
        let expected = "\
to do: 1,200 rows leave 3 files; nothing is changed without --yes
with --yes --now every earlier version of these tables is deleted, too
readers of these tables that are running fail and have to start again
what the bucket itself keeps (versioning, soft delete) is not deleted: its own rules delete that
";
        assert!(planned.ends_with(expected), "{planned}");
        at_once.dry_run = false;
        (at_once.report.deleted_files, at_once.report.deleted_bytes) = (7, 3_000);
        let done = at_once.text(&Terminal::default());
        let said = "done: 1,200 rows left 3 files; 7 files (3.0 kB) of earlier versions deleted\nreaders of";
        assert!(done.contains(said), "{done}");
        let json = at_once.json();
        assert_eq!(json["deleted_files"], 7);
        assert_eq!(json["warnings"].as_array().map(Vec::len), Some(2));
    }
}
