use super::*;
use crate::customer::{Access, EndUser, FieldAccess};

fn model(id: &str, available: bool, scope: &str) -> ModelAccess {
    let access = |is_available, scope: &str| Access {
        is_available,
        coverage_status: Some("SUPPORTED".to_owned()),
        scope_config_setting: Some(scope.to_owned()),
        opted_out_by_customer: false,
    };
    let field = |id: &str, scope| FieldAccess {
        id: id.to_owned(),
        access: access(scope == "ENABLED", scope),
    };
    ModelAccess {
        id: id.to_owned(),
        access: access(available, scope),
        fields: vec![field("ssn", "DISABLED"), field("name", "ENABLED")],
    }
}

fn customer(models: Vec<ModelAccess>) -> CustomerInfo {
    CustomerInfo {
        integration: IntegrationId::new("tool:a").expect("an id"),
        end_user: EndUser::default(),
        models,
    }
}

/// Writes an answer over the rows that are stored, and returns the rows that change.
fn written(before: &mut ByModel, models: Vec<ModelAccess>, at_ms: i64) -> Vec<ModelCoverage> {
    let (customer, now) = (customer(models), Moment::from_millis(at_ms));
    let rows = ModelCoverage::of(&customer, &[], now);
    let rows = changed(before, &customer.integration, rows, now);
    let keyed = rows.iter().cloned();
    before.extend(keyed.map(|row| ((row.integration.clone(), row.model.clone()), row)));
    rows
}

#[test]
fn a_row_is_written_when_it_says_something_new_and_keeps_its_beginning() {
    let mut stored = ByModel::new();
    let (employees, teams) = ("hris_employees", "hris_teams");
    let both = || {
        vec![
            model(employees, true, "ENABLED"),
            model(teams, true, "ENABLED"),
        ]
    };
    assert_eq!(written(&mut stored, both(), 1).len(), 2);
    assert_eq!(written(&mut stored, both(), 2), []);

    let off = vec![
        model(employees, true, "ENABLED"),
        model(teams, false, "DISABLED"),
    ];
    let rows = written(&mut stored, off, 3);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (row.why(), row.since_us),
        (Some(WhyUnreadable::Disabled), 3_000)
    );

    let mut later = vec![
        model(employees, true, "ENABLED"),
        model(teams, false, "DISABLED"),
    ];
    later[1].fields.clear();
    let rows = written(&mut stored, later, 4);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.since_us, row.updated_at_us), (3_000, 4_000));
    assert_eq!(row.disabled_fields, [""; 0]);

    let rows = written(&mut stored, vec![model(employees, true, "ENABLED")], 5);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (&*row.model, row.why()),
        (teams, Some(WhyUnreadable::Unlisted))
    );
    assert_eq!(
        written(&mut stored, vec![model(employees, true, "ENABLED")], 6),
        []
    );
    assert_eq!(written(&mut stored, both(), 7).len(), 1);
}

#[test]
fn a_model_names_the_tables_that_show_its_records() {
    let endpoints = crate::catalog::Catalog::embedded().endpoints();
    let tables = |model| tables_of(model, endpoints);
    assert_eq!(tables("hris_employees"), ["hris_employees"]);
    assert!(tables("hris_teams").contains(&"hris_groups".to_owned()));
    assert_eq!(tables("ats_join_candidates_tags"), [""; 0]);
}

#[test]
fn one_reason_is_named_for_each_field() {
    let rows = ModelCoverage::of(
        &customer(vec![model("hris_employees", true, "ENABLED")]),
        &[],
        Moment::default(),
    );
    let fields: Vec<_> = rows[0].fields().collect();
    assert_eq!(fields, [(WhyUnreadable::Disabled, "ssn")]);
}
