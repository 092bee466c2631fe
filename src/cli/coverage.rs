//! `coverage`: which tables and columns Kombo cannot fill for an integration, and why. Works on the lake alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::CoverageArgs;
use super::cli_error::CliError;
use super::failed::text as ended;
use super::named::Named;
use super::session::Session;
use super::terminal::Terminal;
use super::text_table::{Column, TextTable};
use crate::customer::WhyUnreadable;
use crate::lake::ModelCoverage;
use crate::time::{Moment, format_timestamp};
use crate::words::{age, counted};

/// Shown while the lake knows nothing.
const UNKNOWN: &str = "nothing is known: `kombo-source run` asks Kombo within a day, `kombo-source backfill` asks at once";

/// Prints what Kombo cannot fill. Returns `true`: an empty column is nothing to repair here.
pub(super) async fn run(args: &CoverageArgs, session: &Session) -> Result<bool, CliError> {
    let (ids, tables) = (&args.chosen.integrations, &args.chosen.tables);
    let chosen = Named::of(&session.catalog, ids, tables)?;
    let lake = session.lake_there().await?;
    let mut models = lake.coverage_of_models().await?;
    let is_known = !models.is_empty();
    models.retain(|model| is_chosen(model, &chosen));
    if args.json {
        let lines = models.iter().map(|model| json(model).to_string() + "\n");
        Terminal::stdout().print(&lines.collect::<String>());
        return Ok(true);
    }
    let terminal = Terminal::stdout();
    let text = match (models.is_empty(), is_known) {
        (true, false) => format!("{UNKNOWN}\n"),
        (true, true) => "Kombo names no model that these flags select\n".to_owned(),
        (false, _) => text(&models, session.clock.now(), &terminal),
    };
    terminal.print(&text);
    Ok(true)
}

fn is_chosen(model: &ModelCoverage, chosen: &Named) -> bool {
    let integrations = chosen.integrations.as_ref();
    let endpoints = chosen.endpoints.as_ref();
    let shows = |wanted: &BTreeSet<_>| {
        let names = wanted.iter().map(crate::ids::EndpointName::table_name);
        names.into_iter().any(|name| model.tables.contains(&name))
    };
    integrations.is_none_or(|wanted| wanted.contains(&model.integration))
        && endpoints.is_none_or(shows)
}

const COLUMNS: [Column; 5] = [
    Column::text("integration", 0),
    Column::text("table", 0),
    Column::text("without", 0),
    Column::text("why", 0),
    Column::text("since", 0).spare(1),
];

/// Returns a line for each table that cannot be read and for the columns of a table that lack values for one reason, then
/// what the reasons mean, then the total.
fn text(models: &[ModelCoverage], now: Moment, terminal: &Terminal) -> String {
    let mut table = TextTable::new(&COLUMNS);
    let mut reasons = BTreeSet::new();
    let mut is_any = false;
    for model in models {
        let name = tables(model);
        let mut add = |without: &str, why: &str, since: &str| {
            is_any = true;
            table.add([model.integration.as_str(), &*name, without, why, since]);
        };
        if let Some(reason) = &model.reason {
            let passed_ms = now.as_millis().saturating_sub(model.since_us / 1000);
            let passed = Duration::from_millis(u64::try_from(passed_ms).unwrap_or_default());
            add("rows", reason, &age(passed));
            reasons.extend(model.why());
            continue;
        }
        for (why, fields) in by_reason(model) {
            add(&fields.join(", "), why.as_str(), "-");
            reasons.insert(why);
        }
    }
    let mut lines = if is_any {
        table.lines(terminal)
    } else {
        Vec::new()
    };
    let sentences = reasons.iter();
    lines.extend(sentences.map(|why| format!("{}: {}", why.as_str(), why.sentence())));
    lines.push(total(models));
    ended(&lines)
}

/// Names a model by the tables that show it.
fn tables(model: &ModelCoverage) -> String {
    if model.tables.is_empty() {
        return model.model.clone();
    }
    model.tables.join(", ")
}

fn by_reason(model: &ModelCoverage) -> BTreeMap<WhyUnreadable, Vec<&str>> {
    let mut by_reason: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (why, field) in model.fields() {
        by_reason.entry(why).or_default().push(field);
    }
    by_reason
}

fn total(models: &[ModelCoverage]) -> String {
    let integrations: BTreeSet<_> = models.iter().map(|one| &one.integration).collect();
    let readable = models.iter().filter(|one| one.is_readable);
    let (readable, all) = (readable.count(), models.len());
    let fields: usize = models.iter().map(|one| one.fields().count()).sum();
    format!(
        "{}: {} can be read, {} cannot, {} without values",
        counted(integrations.len() as u64, "integration"),
        counted(readable as u64, "model"),
        all - readable,
        counted(fields as u64, "field"),
    )
}

fn json(model: &ModelCoverage) -> Value {
    let fields = model.fields();
    let fields: BTreeMap<&str, &str> = fields.map(|(why, field)| (field, why.as_str())).collect();
    json!({
        "integration": model.integration.as_str(),
        "model": model.model,
        "tables": model.tables,
        "is_readable": model.is_readable,
        "reason": model.reason,
        "coverage_status": model.coverage_status,
        "scope_config_setting": model.scope_config_setting,
        "opted_out_by_customer": model.opted_out_by_customer,
        "fields": fields,
        "since": format_timestamp(model.since_us),
        "updated_at": format_timestamp(model.updated_at_us),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IntegrationId;

    const NOW: i64 = 1_800_000_000_000;

    fn model(name: &str, reason: Option<WhyUnreadable>) -> ModelCoverage {
        ModelCoverage {
            integration: IntegrationId::new("tool:a").expect("an id"),
            model: name.to_owned(),
            tables: vec![name.to_owned()],
            is_readable: reason.is_none(),
            reason: reason.map(|why| why.as_str().to_owned()),
            coverage_status: Some("SUPPORTED".to_owned()),
            scope_config_setting: Some("ENABLED".to_owned()),
            opted_out_by_customer: false,
            unsupported_fields: Vec::new(),
            not_implemented_fields: Vec::new(),
            disabled_fields: Vec::new(),
            opted_out_fields: Vec::new(),
            unavailable_fields: Vec::new(),
            since_us: (NOW - 7_200_000) * 1000,
            updated_at_us: NOW * 1000,
        }
    }

    #[test]
    fn people_read_what_is_missing_and_why() {
        let mut employees = model("hris_employees", None);
        employees.disabled_fields = vec!["ethnicity".to_owned(), "ssn".to_owned()];
        employees.unsupported_fields = vec!["nationality".to_owned()];
        let timesheets = model("hris_timesheets", Some(WhyUnreadable::Unsupported));
        let models = [employees, model("hris_groups", None), timesheets];
        let shown = text(&models, Moment::from_millis(NOW), &Terminal::default());
        let expected = "\
integration  table            without         why          since
tool:a       hris_employees   nationality     unsupported  -
tool:a       hris_employees   ethnicity, ssn  disabled     -
tool:a       hris_timesheets  rows            unsupported  2 h
unsupported: the connected tool has no such data
disabled: the scope configuration at Kombo switches it off; switch it on in Kombo's dashboard
1 integration: 2 models can be read, 1 cannot, 3 fields without values
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn programs_read_the_reason_of_each_field() {
        let mut employees = model("hris_employees", None);
        employees.opted_out_fields = vec!["date_of_birth".to_owned()];
        let value = json(&employees);
        assert_eq!(value["fields"], json!({"date_of_birth": "opted_out"}));
        assert_eq!(value["reason"], Value::Null);
        assert_eq!(value["since"], "2027-01-15T06:00:00.000Z");
    }
}
