//! `sql`: prints views of the lake's tables, ready to paste into an engine. Works offline.
//!
//! `views.sql` has each view once, with placeholders where engines differ. [`dialect`] fills them in for an engine, from the
//! tables of [`dialect_words`], and [`template`] fills in the lake and the table. `polars.py` has the same views in Python.
//! [`engine`] knows how each engine quotes names and texts, [`lake_location`] where the lake is.

mod dialect;
#[rustfmt::skip]
mod dialect_words;
mod engine;
mod lake_location;
mod narrowing;
mod template;

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::args::{Since, SqlArgs, SqlEngine, SqlView};
use super::cli_error::{CliError, USAGE};
use super::named::endpoints;
use super::session::Session;
use crate::catalog::Endpoint;
use crate::time::format_timestamp;
use lake_location::LakeLocation;
use narrowing::Narrowing;
use template::{Values, ViewSection, fill};

/// The default of --at and --since.
const YESTERDAY: Since = Since::Ago(Duration::from_hours(24));

/// Returns the views of the chosen tables as text.
pub(super) fn run(args: &SqlArgs, session: &Session) -> Result<String, CliError> {
    has_a_use("--at", args.at, SqlView::AsOf, args.view)?;
    has_a_use("--since", args.since, SqlView::Changes, args.view)?;
    let endpoints = endpoints(&session.catalog, &args.tables)?;
    let now = session.clock.now();
    let views = Views {
        engine: args.engine,
        location: LakeLocation::of(&session.config.sink.lake.url),
        at: args.at.unwrap_or(YESTERDAY).micros(now),
        since: args.since.unwrap_or(YESTERDAY).micros(now),
        narrowing: Narrowing::of(args, session)?,
    };
    let endpoints = endpoints.iter().map(AsRef::as_ref);
    Ok(views.text(endpoints, args.view))
}

/// Returns an error for a time that the chosen view does not use.
fn has_a_use(
    flag: &str,
    time: Option<Since>,
    view: SqlView,
    asked: Option<SqlView>,
) -> Result<(), CliError> {
    let Some(other) = asked.filter(|asked| time.is_some() && *asked != view) else {
        return Ok(());
    };
    let (view, other) = (view.as_str(), other.as_str());
    Err(CliError::new(
        USAGE,
        format!("the view {other} does not use {flag}"),
        format!("remove the flag, or give --view {view}"),
    ))
}

/// Views of one lake for one engine.
struct Views {
    engine: SqlEngine,
    location: LakeLocation,
    at: i64,
    since: i64,
    narrowing: Narrowing,
}

impl Views {
    /// Returns the section that sets up the lake, and then the sections of each table.
    fn text<'a>(
        &self,
        endpoints: impl IntoIterator<Item = &'a Endpoint>,
        view: Option<SqlView>,
    ) -> String {
        let template = self.engine.template(&self.narrowing);
        let sections = ViewSection::all(&template, self.engine.comment());
        let section = |name: &str| sections.iter().find(|one| one.name == name);
        let mut parts = Vec::new();
        parts.extend(self.remark());
        parts.extend(section("setup").map(|one| fill(&one.text, &self.of_lake())));
        for endpoint in endpoints {
            let values = self.of_table(endpoint);
            let asked = SqlView::ALL
                .into_iter()
                .filter(|one| view.is_none_or(|view| view == *one))
                .map(SqlView::as_str);
            let names = ["tables"].into_iter().chain(asked);
            let asked = names.filter_map(section);
            parts.extend(asked.map(|one| fill(&one.text, &values)));
        }
        parts.join("\n")
    }

    fn remark(&self) -> Option<String> {
        let remark = self.engine.remark(&self.location)?;
        Some(format!("{} {remark}\n", self.engine.comment()))
    }

    fn of_lake(&self) -> Values {
        let at = |folder: &str| {
            self.engine
                .escaped(&format!("{}{folder}", self.location.text))
        };
        let mut values = Values::default();
        for (name, folder) in [
            ("lake", ""),
            ("integrations", "/kombo_integrations"),
            ("holds", "/kombo_holds"),
            ("drift", "/kombo_drift"),
        ] {
            values.set(name, at(folder));
        }
        for (name, list) in self.narrowing.values(self.engine) {
            values.set(name, list);
        }
        values
    }

    fn of_table(&self, endpoint: &Endpoint) -> Values {
        let table = endpoint.name().table_name();
        let mut values = self.of_lake();
        for part in ["current", "deltas", "snapshots"] {
            let location = format!("{}/{table}/{part}", self.location.text);
            values.set(part, self.engine.escaped(&location));
        }
        let since = format_timestamp(self.since);
        values.set("since_day", since[..10].to_owned());
        values.set("since", since);
        values.set("at", format_timestamp(self.at));
        values.set("endpoint", endpoint.name().to_string());
        values.set("scan", engine::scan(&self.location).to_owned());
        values.set("table", table);
        let schema = endpoint.schema();
        let columns = schema.fields().iter();
        values.columns = columns.map(|field| field.name().clone()).collect();
        values.quote = self.engine.quote();
        values
    }
}
