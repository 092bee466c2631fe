use clap::ValueEnum;

use super::*;
use crate::catalog::Catalog;

fn views(engine: SqlEngine, location: &str) -> Views {
    Views {
        engine,
        location: LakeLocation::of(location),
        at: 1_793_491_200_000_000,
        since: 1_793_491_200_000_001,
        narrowing: Narrowing::default(),
    }
}

fn endpoint(name: &str) -> &'static Endpoint {
    Catalog::embedded().find(name).expect("known")
}

#[test]
fn every_view_of_every_engine_is_printed_without_a_word_left_in_braces() {
    for engine in SqlEngine::value_variants() {
        for name in ["ats/applications", "hris/employees"] {
            let text = views(*engine, "s3://bucket/lake").text([endpoint(name)], None);
            let comment = engine.comment();
            for view in SqlView::ALL.map(SqlView::as_str) {
                let head = format!("\n{comment} {view}: ");
                let heads = format!("\n{text}").matches(&head).count();
                assert_eq!(heads, 1, "{engine:?} {view}");
            }
            assert!(!text.contains(['{', '}']), "{engine:?}: {text}");
            let ends = text.contains("termination_date");
            assert_eq!(ends, name == "hris/employees", "{engine:?}");
            assert!(
                text.lines().all(|line| line.trim_end() == line),
                "{engine:?}"
            );
        }
    }
}

#[test]
fn what_lies_beside_is_no_wider_than_a_page() {
    for engine in SqlEngine::value_variants() {
        let template = engine.template(&Narrowing::default());
        let widest = template.lines().map(str::len).max();
        assert!(widest.is_some_and(|width| width <= 120), "{engine:?}");
    }
}

#[test]
fn only_the_view_asked_for_is_printed_and_several_tables_are_set_up_once() {
    let views = views(SqlEngine::DuckDb, "/lake");
    let both = [endpoint("ats/jobs"), endpoint("ats/offers")];
    let text = "\
-- setup: once in each session
INSTALL delta; LOAD delta;

-- current: one row per record, as last folded
CREATE OR REPLACE VIEW ats_jobs AS
SELECT * FROM delta_scan('/lake/ats_jobs/current');

-- current: one row per record, as last folded
CREATE OR REPLACE VIEW ats_offers AS
SELECT * FROM delta_scan('/lake/ats_offers/current');
";
    assert_eq!(views.text(both, Some(SqlView::Current)), text);
}

#[test]
fn a_time_is_written_to_the_microsecond_and_its_day_prunes_partitions() {
    let text = views(SqlEngine::Spark, "/lake").text([endpoint("ats/jobs")], None);
    assert!(
        text.contains("_fetched_at <= TIMESTAMP '2026-11-01T00:00:00.000Z'"),
        "{text}"
    );
    assert!(
        text.contains("_fetched_at > TIMESTAMP '2026-11-01T00:00:00.000001Z'"),
        "{text}"
    );
    assert!(text.contains("commit_date >= DATE '2026-11-01'"), "{text}");
}

#[test]
fn a_place_with_quotes_stays_one_text() {
    for (engine, written) in [
        (
            SqlEngine::DuckDb,
            "delta_scan('/o''neill`s/ats_jobs/current')",
        ),
        (SqlEngine::Spark, "delta.`/o'neill``s/ats_jobs/current`"),
        (
            SqlEngine::ClickHouse,
            r"deltaLakeLocal('/o\'neill`s/ats_jobs/current')",
        ),
        (
            SqlEngine::Polars,
            "pl.scan_delta(\"/o'neill`s/ats_jobs/current\")",
        ),
    ] {
        let views = views(engine, "/o'neill`s");
        let text = views.text([endpoint("ats/jobs")], Some(SqlView::Current));
        assert!(text.contains(written), "{text}");
    }
}

#[test]
fn an_engine_that_cannot_reach_the_place_says_so_first() {
    let first = |engine, location| {
        let text = views(engine, location).text([endpoint("ats/jobs")], None);
        text.lines().next().map(str::to_owned).expect("a line")
    };
    assert!(first(SqlEngine::Athena, "gs://bucket").starts_with("-- Athena reads S3 alone"));
    assert!(
        first(SqlEngine::Snowflake, "/lake")
            .starts_with("-- This engine reads object stores alone")
    );
    assert!(first(SqlEngine::Athena, "s3://bucket").starts_with("-- setup"));
}

#[test]
fn a_time_that_no_view_asked_for_needs_is_refused() {
    assert!(has_a_use("--at", Some(YESTERDAY), SqlView::AsOf, None).is_ok());
    assert!(has_a_use("--at", Some(YESTERDAY), SqlView::AsOf, Some(SqlView::AsOf)).is_ok());
    let refused = has_a_use("--at", Some(YESTERDAY), SqlView::AsOf, Some(SqlView::Live));
    let line = refused.expect_err("of no use").line();
    assert!(
        line.starts_with("the view live does not use --at"),
        "{line}"
    );
}

#[test]
fn the_manual_shows_the_live_view_as_it_is_printed() {
    let views = views(SqlEngine::DuckDb, "/data/lake");
    let text = views.text([endpoint("ats/applications")], Some(SqlView::Live));
    assert!(
        include_str!("../../../docs/sql.md").contains(&text),
        "{text}"
    );
}

#[test]
fn a_view_of_some_customers_reads_nothing_of_the_others() {
    let id = crate::ids::IntegrationId::new("tool:a").expect("an id");
    let narrowing = Narrowing::to([id.clone()], vec!["o'neil {table}".to_owned()]);
    let key = id.key();
    let some = |engine| Views {
        narrowing: narrowing.clone(),
        ..views(engine, "/lake")
    };
    let text = some(SqlEngine::DuckDb).text([endpoint("ats/jobs")], Some(SqlView::Current));
    let read = format!(
        "SELECT * FROM (SELECT * FROM delta_scan('/lake/ats_jobs/current') WHERE integration_key IN ('{key}') AND \
         integration_key IN (SELECT integration_key FROM delta_scan('/lake/kombo_integrations') WHERE origin_id IN \
         ('o''neil {{table}}')));\n"
    );
    assert!(text.ends_with(&read), "{text}");
    for engine in SqlEngine::value_variants() {
        let all = some(*engine).text([endpoint("ats/jobs")], None);
        let plain = views(*engine, "/lake").text([endpoint("ats/jobs")], None);
        // Each read of a table of the endpoint is limited, the setup is the same.
        let limits = all.matches(key.as_str()).count();
        assert!(limits >= 9, "{engine:?}: {limits}");
        assert_eq!(all.matches("origin_id").count(), limits, "{engine:?}");
        assert_eq!(plain.matches("origin_id").count(), 0, "{engine:?}");
    }
}
