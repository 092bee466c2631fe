//! What all companies of one category have in common: their models, how many rows each has, which records belong
//! together, and the shape of every endpoint. Compiled once from the catalog and shared.

use std::sync::Arc;
use std::time::Duration;

use super::compiler::Compiler;
use super::hash::salt;
use super::relation::{self, APPLICATIONS_OF_CANDIDATE, Link, Pattern, REACH_FIELDS, RELATIONS};
use super::shape::Shape;
use super::ties::{Names, Tie, resolve};
use crate::catalog::{Catalog, Endpoint, NestedReach};
use crate::ids::{Category, EndpointName};

pub(super) const DAY: Duration = Duration::from_hours(24);

/// The endpoints that have as many rows as the settings say; all others have fewer.
const BIGGEST: [&str; 4] = [
    "ats/applications",
    "hris/employees",
    "lms/course-progressions",
    "assessment/orders",
];

/// Models without parents: rows of the biggest endpoint for each of their rows, least rows, most rows.
#[rustfmt::skip]
const SIZES: &[(&str, u64, u64, u64)] = &[
    ("ats/jobs", 40, 6, 20_000), ("ats/users", 60, 8, 3_000), ("ats/roles", 500, 6, 14),
    ("ats/tags", 100, 10, 60), ("ats/application-stages", 500, 9, 24), ("ats/rejection-reasons", 500, 6, 15),
    ("hris/groups", 60, 6, 2_000), ("hris/locations", 200, 4, 400), ("hris/legal-entities", 500, 2, 80),
    ("hris/absence-types", 500, 6, 14), ("hris/employee-document-categories", 400, 5, 18),
    ("hris/performance-review-cycles", 500, 3, 12), ("hris/performance-reviews", 3, 3, u64::MAX),
    ("hris/staffing-entities", 25, 4, 20_000), ("hris/pay-runs", 300, 4, 60), ("hris/payslips", 3, 3, u64::MAX),
    ("hris/skills", 50, 8, 500), ("hris/employee-skill-assignments", 3, 4, u64::MAX),
    ("lms/users", 4, 5, u64::MAX), ("lms/courses", 50, 4, 5_000), ("lms/skills", 100, 6, 300),
    ("lms/course-providers", 500, 2, 9), ("assessment/packages", 200, 5, 40),
];

/// Models whose records share their ids: in Kombo an employee and a group of one integration can have the same id.
const SHARED_IDS: &[(&str, &str)] = &[
    ("hris/groups", "hris/employees"),
    ("ats/tags", "ats/application-stages"),
    ("lms/skills", "lms/courses"),
];

/// One model: a numbered run of records.
#[derive(Debug)]
pub(super) struct RecordModel {
    pub salt: u64,
    /// Seed of the ids.
    pub id_salt: u64,
    /// Prefix of the remote ids.
    pub remote_prefix: &'static str,
    /// Number of records at the start of the world.
    pub count: u64,
    /// Whether the endpoint of the model takes `include_deleted`.
    pub deletable: bool,
    /// The model of the parents, and how many children each parent has.
    pub parents: Option<(Pattern, usize)>,
    /// How long after its parent a record is made at most; without a parent, how long before its last change.
    pub reach_back: Duration,
}

/// One endpoint: the model whose records it shows, and their shape.
#[derive(Debug)]
pub(super) struct Listing {
    pub endpoint: Arc<Endpoint>,
    pub model: usize,
    pub shape: Shape,
    /// Relations to records whose changes make `updated_after` return this record again.
    pub reach: Vec<usize>,
    /// Relations to records whose creation or deletion makes `updated_after` return this record again.
    pub linked: Vec<usize>,
}

/// Everything compiled for one category.
#[derive(Debug)]
pub(super) struct Blueprint {
    pub category: Category,
    pub models: Vec<RecordModel>,
    pub ties: Vec<Tie>,
    pub listings: Vec<Listing>,
}

impl Blueprint {
    /// Compiles a category.
    pub(super) fn new(catalog: &Catalog, category: Category, rows: u64) -> Self {
        let endpoints = catalog.endpoints().iter();
        let endpoints: Vec<_> = endpoints
            .filter(|endpoint| endpoint.category == category)
            .collect();
        let (relations, own) = (RELATIONS.iter(), format!("{category}/"));
        let relations: Vec<_> = relations.filter(|one| one.of.starts_with(&own)).collect();
        let mut models: Vec<RecordModel> = Vec::new();
        let mut names = Names::default();
        let listed = endpoints.iter().map(|endpoint| endpoint.name().as_str());
        let hidden = relations.iter().map(|relation| relation.to);
        for name in listed.chain(hidden) {
            if names.add(name) {
                let home = catalog.find(name);
                let deletable = home.is_some_and(|endpoint| endpoint.include_deleted);
                models.push(model(name, rows, deletable));
            }
        }
        let ties = resolve(&relations, &mut names);
        for relation in &relations {
            if let Link::Parent(pattern) = relation.link
                && let (Some(of), Some(to)) = (names.model(relation.of), names.model(relation.to))
            {
                models[of].parents = Some((pattern, to));
            }
        }
        let mut compiler = Compiler::new(catalog, &names, &ties);
        for endpoint in &endpoints {
            compiler.learn(endpoint);
        }
        let listings = endpoints.iter();
        let listings = listings.map(|endpoint| listing(endpoint, &names, &compiler));
        Self {
            category,
            listings: listings.collect(),
            models,
            ties,
        }
    }

    /// Finds the listing of a path such as `/ats/applications`.
    pub(super) fn listing(&self, path: &str) -> Option<&Listing> {
        let mut listings = self.listings.iter();
        listings.find(|listing| listing.endpoint.path == path)
    }

    /// Finds the listing of an endpoint.
    pub(super) fn listing_of(&self, endpoint: &EndpointName) -> Option<&Listing> {
        let mut listings = self.listings.iter();
        listings.find(|listing| listing.endpoint.name() == endpoint)
    }
}

fn listing(endpoint: &Arc<Endpoint>, names: &Names, compiler: &Compiler<'_>) -> Listing {
    let scope = compiler.scope_of(endpoint);
    let ties = |counts: fn(&NestedReach) -> Option<bool>| {
        let nested = endpoint.nested.iter();
        let counted = nested.filter(|nested| counts(nested) == Some(true));
        let ties = counted.filter_map(|nested| {
            let renamed = REACH_FIELDS.iter().find(|(path, _)| *path == nested.path);
            names.tie(&scope, renamed.map_or(&*nested.path, |(_, field)| field))
        });
        ties.collect()
    };
    Listing {
        endpoint: Arc::clone(endpoint),
        model: names
            .model(endpoint.name().as_str())
            .expect("every endpoint has a model"),
        shape: compiler.compile(endpoint),
        reach: ties(|nested| nested.changed),
        linked: ties(|nested| nested.linked),
    }
}

fn model(name: &str, rows: u64, deletable: bool) -> RecordModel {
    let shared = SHARED_IDS.iter().find(|(model, _)| *model == name);
    let id_name = shared.map_or(name, |(_, other)| other);
    RecordModel {
        salt: salt(name),
        id_salt: salt(id_name),
        remote_prefix: remote_prefix(id_name),
        count: count(name, rows),
        deletable,
        parents: None,
        reach_back: reach_back(name),
    }
}

/// Returns how far back records reach: employees stay for years, and an application is decided within weeks.
fn reach_back(name: &str) -> Duration {
    let days = match name {
        "hris/employees" => 3_000,
        "ats/jobs" => 400,
        "ats/candidates" => 500,
        _ if RELATIONS
            .iter()
            .any(|one| one.of == name && matches!(one.link, Link::Parent(_))) =>
        {
            if name.starts_with("ats/") { 60 } else { 3_000 }
        }
        _ => 1_200,
    };
    days * DAY
}

/// Returns the prefix of remote ids, since each tool numbers its records in its own way.
fn remote_prefix(name: &str) -> &'static str {
    match name {
        "hris/employees" | "ats/jobs" => "",
        "ats/applications" => "app-",
        "ats/candidates" => "c/",
        "lms/courses" => "course:",
        _ => "r",
    }
}

/// Returns how many records a model has.
fn count(name: &str, rows: u64) -> u64 {
    if BIGGEST.contains(&name) {
        return rows;
    }
    // As many candidates as all applications need.
    if name == "ats/candidates" {
        return relation::parents(APPLICATIONS_OF_CANDIDATE, rows);
    }
    let parent = RELATIONS.iter().find_map(|r| match r.link {
        Link::Parent(pattern) if r.of == name => Some((pattern, r.to)),
        _ => None,
    });
    if let Some((pattern, to)) = parent {
        return relation::total(pattern, count(to, rows));
    }
    let size = SIZES.iter().find(|(model, ..)| *model == name);
    let (_, divisor, least, most) = size.unwrap_or(&("", 20, 3, u64::MAX));
    (rows / divisor).max(*least).min(*most).min(rows)
}
