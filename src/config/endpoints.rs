//! Selects the endpoints that a configuration names.
//!
//! A pattern is a name (`hris/employees`) or a glob in which `*` stands for any part of a name (`ats/*`, `*/users`).
//! Deprecated endpoints are fetched only when a pattern is exactly their name.

use std::sync::Arc;

use crate::catalog::{Catalog, Endpoint};
use crate::ids::Category;

use super::error::nearest;

/// Returns the endpoints that the patterns match, in the catalog's order. Without patterns these are all endpoints that are
/// not deprecated.
///
/// Fails with the position of the first pattern that matches nothing, and what to do about it.
pub(super) fn selected(
    patterns: &[String],
    catalog: &Catalog,
) -> Result<Vec<Arc<Endpoint>>, (usize, String)> {
    let all = catalog.endpoints();
    for (position, pattern) in patterns.iter().enumerate() {
        if !all.iter().any(|endpoint| selects(pattern, endpoint)) {
            return Err((position, unmatched(pattern, catalog)));
        }
    }
    let wanted = |endpoint: &&Arc<Endpoint>| match patterns {
        [] => !endpoint.deprecated,
        _ => patterns.iter().any(|pattern| selects(pattern, endpoint)),
    };
    Ok(all.iter().filter(wanted).cloned().collect())
}

fn selects(pattern: &str, endpoint: &Endpoint) -> bool {
    let name = endpoint.name().as_str();
    pattern == name || (!endpoint.deprecated && glob_matches(pattern, name))
}

/// Returns why a pattern matches nothing, and the nearest name.
fn unmatched(pattern: &str, catalog: &Catalog) -> String {
    let names = || catalog.endpoints().iter().map(|e| e.name().as_str());
    let deprecated: Vec<_> = names().filter(|name| glob_matches(pattern, name)).collect();
    if !deprecated.is_empty() {
        return format!(
            "matches only deprecated endpoints ({}), which are fetched only when named exactly",
            deprecated.join(", ")
        );
    }
    let hint = if pattern.contains('*') {
        let globs = Category::ALL.map(|category| format!("{category}/*"));
        nearest(pattern, globs.iter().map(String::as_str)).map(str::to_owned)
    } else {
        let table = catalog.find_table(pattern);
        let near = table.map(|endpoint| endpoint.name().as_str());
        // The name may have been given without its category.
        let is_own = |name: &&str| name.split_once('/').is_some_and(|(_, own)| own == pattern);
        let near = near.or_else(|| names().find(is_own));
        near.or_else(|| nearest(pattern, names()))
            .map(str::to_owned)
    };
    match hint {
        Some(hint) => format!("matches no endpoint; did you mean {hint:?}?"),
        None => {
            "matches no endpoint; patterns look like \"ats/*\" or \"hris/employees\"".to_owned()
        }
    }
}

/// Returns whether a pattern matches a complete name. `*` stands for any run of characters.
pub(crate) fn glob_matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(patterns: &[&str]) -> Result<Vec<String>, (usize, String)> {
        let patterns: Vec<_> = patterns.iter().map(|&p| p.to_owned()).collect();
        selected(&patterns, Catalog::embedded()).map(|selection| {
            let names = selection.iter();
            names.map(|endpoint| endpoint.name().to_string()).collect()
        })
    }

    #[test]
    fn a_glob_matches_complete_names() {
        for (pattern, name, expected) in [
            ("ats/*", "ats/jobs", true),
            ("*", "ats/jobs", true),
            ("*/users", "ats/users", true),
            ("*/users", "ats/users2", false),
            ("ats/*s", "ats/jobs", true),
            ("a*s*b*", "ats/jobs", true),
            ("ats/jobs", "ats/jobs", true),
            ("ats/job", "ats/jobs", false),
            ("ats/job*jobs", "ats/jobs", false),
            ("", "ats/jobs", false),
        ] {
            assert_eq!(glob_matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn without_patterns_everything_but_deprecated_endpoints_is_selected() {
        let names = select(&[]).expect("nothing to mismatch");
        let current = Catalog::embedded().endpoints().iter();
        assert_eq!(names.len(), current.filter(|e| !e.deprecated).count());
        assert!(!names.contains(&"hris/teams".to_owned()));
    }

    #[test]
    fn a_deprecated_endpoint_needs_its_exact_name() {
        let by_glob = select(&["hris/*"]).expect("matches");
        assert!(!by_glob.contains(&"hris/teams".to_owned()));
        assert_eq!(select(&["hris/teams"]), Ok(vec!["hris/teams".to_owned()]));
        assert_eq!(
            select(&["hris/tea*"]),
            Err((
                0,
                "matches only deprecated endpoints (hris/teams), which are fetched only when named exactly"
                    .to_owned()
            ))
        );
    }

    #[test]
    fn an_endpoint_selected_twice_is_there_once() {
        assert_eq!(
            select(&["ats/jobs", "ats/job*"]),
            Ok(vec!["ats/jobs".to_owned()])
        );
    }

    #[test]
    fn a_pattern_that_matches_nothing_gets_the_nearest_name() {
        let hint = |pattern: &str| select(&["ats/jobs", pattern]).expect_err("matches nothing");
        for (pattern, near) in [
            ("ats/aplications", "ats/applications"),
            ("ats_applications", "ats/applications"),
            ("employees", "hris/employees"),
            ("hrs/*", "hris/*"),
        ] {
            let expected = format!("matches no endpoint; did you mean {near:?}?");
            assert_eq!(hint(pattern), (1, expected));
        }
        assert_eq!(
            hint("zzz").1,
            "matches no endpoint; patterns look like \"ats/*\" or \"hris/employees\""
        );
    }

    #[test]
    fn a_category_takes_only_its_own() {
        let patterns = ["*/users".to_owned()];
        let selection = selected(&patterns, Catalog::embedded()).expect("matches");
        let own = selection.iter().filter(|e| e.category == Category::Lms);
        let names: Vec<_> = own.map(|e| e.name().to_string()).collect();
        assert_eq!(names, ["lms/users"]);
    }
}
