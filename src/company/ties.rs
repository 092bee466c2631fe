//! The relations of one category after their names are resolved to indexes.

use std::collections::HashMap;

use super::hash::salt;
use super::relation::{Link, Relation};

/// Endpoints that show the records of another endpoint.
const SAME_RECORDS: &[(&str, &str)] = &[("hris/teams", "hris/groups")];

/// A relation whose names are resolved.
#[derive(Debug)]
pub(super) struct Tie {
    pub to: usize,
    pub link: Link<usize>,
    pub none: u64,
    pub salt: u64,
    pub about: bool,
}

/// The names of a category's models and relations, while shapes are compiled.
#[derive(Debug, Default)]
pub(super) struct Names {
    models: Vec<String>,
    ties: HashMap<(&'static str, &'static str), usize>,
}

impl Names {
    /// Adds a model. Returns `false` if the model is known or shows the records of another endpoint.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let is_new = self.model(name).is_none() && !SAME_RECORDS.iter().any(|(of, _)| *of == name);
        if is_new {
            self.models.push(name.to_owned());
        }
        is_new
    }

    /// Finds a model by its name, or by an endpoint that shows its records.
    pub(super) fn model(&self, name: &str) -> Option<usize> {
        let same = SAME_RECORDS.iter().find(|(alias, _)| *alias == name);
        let real = same.map_or(name, |(_, real)| real);
        self.models.iter().position(|model| model == real)
    }

    /// Returns the name of a model.
    pub(super) fn model_name(&self, model: usize) -> String {
        self.models[model].clone()
    }

    /// Finds a relation of a model or of a list in it.
    pub(super) fn tie(&self, of: &str, name: &str) -> Option<usize> {
        let mut ties = self.ties.iter();
        let tie = ties.find(|(own, _)| **own == (of, name));
        tie.map(|(_, tie)| *tie)
    }
}

/// Resolves the names of all relations of a category.
pub(super) fn resolve(relations: &[&'static Relation], names: &mut Names) -> Vec<Tie> {
    let own = relations.iter();
    let own = own.filter(|one| !matches!(one.link, Link::Same(_)));
    for (at, relation) in own.clone().enumerate() {
        names.ties.insert((relation.of, relation.name), at);
    }
    for relation in relations {
        if let Link::Same(other) = relation.link {
            let at = names.tie(relation.of, other);
            let at = at.expect("the relation that is shared exists");
            names.ties.insert((relation.of, relation.name), at);
        }
    }
    own.map(|relation| Tie {
        to: names
            .model(relation.to)
            .expect("every relation's model is there"),
        link: resolved(relation, relations, names),
        none: relation.none,
        salt: salt(relation.name),
        about: relation.about,
    })
    .collect()
}

fn resolved(relation: &Relation, relations: &[&'static Relation], names: &Names) -> Link<usize> {
    match relation.link {
        Link::Parent(pattern) => Link::Parent(pattern),
        Link::Child(pattern) => Link::Child(pattern),
        Link::Pick => Link::Pick,
        Link::PickLive => Link::PickLive,
        Link::Several(least, most) => Link::Several(least, most),
        Link::Every(most, step, rest) => Link::Every(most, step, rest),
        Link::Tree(children) => Link::Tree(children),
        Link::Via(then, via, last) => {
            let mut own = relations.iter().filter(|other| other.of == relation.of);
            let to = own.find(|other| other.name == via);
            let first = names.tie(relation.of, via).expect("the first step exists");
            let second = names.tie(to.map_or("", |other| other.to), last);
            Link::Via(then, first, second.expect("the second step exists"))
        }
        Link::Same(_) | Link::Itself => Link::Itself,
    }
}
