//! Compiles the declared fields of endpoints into shapes.

use std::collections::HashSet;

use super::hash::salt;
use super::plain::{Free, Plain};
use super::recipe;
use super::relation::TIED_UNIONS;
use super::shape::{Property, Recipe, Shape};
use super::text::quoted;
use super::ties::{Names, Tie};
use crate::catalog::{Catalog, Endpoint, Field, FieldKind};

/// The position of a field while it is compiled.
#[derive(Clone)]
pub(super) struct FieldSite<'a> {
    /// The model of the record, or the model and a part of the record, joined by `#`. The scope decides the values.
    pub scope: String,
    /// Path within the union it belongs to, with dots.
    path: String,
    union: Option<&'a Variant<'a>>,
}

impl FieldSite<'_> {
    fn top(scope: String) -> Self {
        Self {
            scope,
            path: String::new(),
            union: None,
        }
    }
}

struct Variant<'a> {
    tag_path: &'a str,
    tag: &'a str,
    paths: &'a [String],
}

impl Variant<'_> {
    /// Returns whether the variant has no such field. Where a variant lists no field inside a struct, it has all of them.
    fn leaves_out(&self, within: &str, path: &str) -> bool {
        let inside = format!("{within}.");
        let listed = within.is_empty() || self.paths.iter().any(|path| path.starts_with(&inside));
        listed && !self.paths.iter().any(|listed| listed == path)
    }
}

/// Turns declared fields into shapes.
pub(super) struct Compiler<'a> {
    catalog: &'a Catalog,
    names: &'a Names,
    ties: &'a [Tie],
    /// Fields that some endpoint declares as never null. They are not null in copies of the record either.
    strict: HashSet<(String, String)>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(catalog: &'a Catalog, names: &'a Names, ties: &'a [Tie]) -> Self {
        Self {
            catalog,
            names,
            ties,
            strict: HashSet::new(),
        }
    }

    /// Notes which fields an endpoint never sends as null.
    pub(super) fn learn(&mut self, endpoint: &Endpoint) {
        let mut strict = Vec::new();
        self.note(&endpoint.fields, &self.scope_of(endpoint), &mut strict);
        self.strict.extend(strict);
    }

    /// Compiles an endpoint.
    pub(super) fn compile(&self, endpoint: &Endpoint) -> Shape {
        let place = FieldSite::top(self.scope_of(endpoint));
        self.object(&endpoint.fields, &place)
    }

    /// Returns the model an endpoint shows.
    pub(super) fn scope_of(&self, endpoint: &Endpoint) -> String {
        let (name, names) = (endpoint.name().as_str(), self.names);
        let model = names.model(name);
        model.map_or_else(|| name.to_owned(), |model| names.model_name(model))
    }

    fn note(&self, fields: &[Field], scope: &str, strict: &mut Vec<(String, String)>) {
        for field in fields {
            if !field.nullable && !field.optional {
                strict.push((scope.to_owned(), field.name.clone()));
            }
            let inner = match &field.kind {
                FieldKind::List(item) => &item.kind,
                own => own,
            };
            if let FieldKind::Struct(fields) = inner {
                self.note(fields, &self.inner_scope(scope, &field.name), strict);
            }
        }
    }

    /// Returns the scope of the fields inside a struct or a list. Copies of records have the scope of their own model.
    fn inner_scope(&self, scope: &str, name: &str) -> String {
        match self.names.tie(scope, name).map(|tie| &self.ties[tie]) {
            Some(tie) if !tie.about => self.names.model_name(tie.to),
            _ => format!("{scope}#{name}"),
        }
    }

    fn object(&self, fields: &[Field], place: &FieldSite<'_>) -> Shape {
        let columns = fields.iter().filter_map(|field| {
            let path = join(&place.path, &field.name);
            let leaves_out = |variant: &Variant<'_>| variant.leaves_out(&place.path, &path);
            if place.union.is_some_and(leaves_out) {
                return None;
            }
            Some(self.column(field, place, path))
        });
        Shape {
            columns: columns.collect(),
        }
    }

    fn column(&self, field: &Field, place: &FieldSite<'_>, path: String) -> Property {
        let (scope, name) = (place.scope.as_str(), field.name.as_str());
        let tag = place.union.filter(|variant| variant.tag_path == path);
        let tag = tag.map(|variant| Recipe::Plain(Plain::Constant(quoted(variant.tag))));
        let varies = tag.is_none();
        let strict = self.strict.contains(&(scope.to_owned(), name.to_owned()));
        let nulls = (field.nullable && varies && !strict).then(|| recipe::nulls(scope, name));
        let kept = recipe::NEVER_LEFT_OUT.contains(&(scope, name));
        Property {
            key: format!("{}:", quoted(name)),
            salt: salt(name),
            nullable: field.nullable && varies,
            optional: field.optional && varies && !kept,
            nulls: nulls.unwrap_or(0),
            when: self.condition(scope, name),
            recipe: tag.unwrap_or_else(|| self.recipe(field, place, path)),
            name: field.name.clone(),
        }
    }

    /// Compiles the enum that another field depends on, from the endpoint that lists the record.
    fn condition(&self, scope: &str, name: &str) -> Option<(Box<Property>, usize)> {
        let mut conditions = recipe::CONDITIONS.iter();
        let (_, _, sibling, wanted) =
            conditions.find(|(of, field, ..)| (*of, *field) == (scope, name))?;
        let field = field_of(self.catalog.find(scope)?, sibling)?;
        let at = field.hints.values.iter().position(|one| one == wanted)?;
        let place = FieldSite::top(scope.to_owned());
        let column = self.column(field, &place, (*sibling).to_owned());
        Some((Box::new(column), at))
    }

    fn recipe(&self, field: &Field, place: &FieldSite<'_>, path: String) -> Recipe {
        if let Some(recipe) = self.related(field, place, &path) {
            return recipe;
        }
        let inside = FieldSite {
            scope: format!("{}#{}", place.scope, field.name),
            path,
            union: place.union,
        };
        match &field.kind {
            FieldKind::Struct(fields) => self.part(field, fields, &inside),
            FieldKind::List(item) => {
                let element = match &item.kind {
                    FieldKind::Struct(fields) => self.part(item, fields, &inside),
                    _ => Recipe::Plain(recipe::value(item, &place.scope, &field.name)),
                };
                let (least, most) = recipe::lengths(&field.name);
                Recipe::List(Box::new(element), least, most)
            }
            _ => {
                let shapes = &field.hints.shapes;
                let shape = place.union.and_then(|variant| shapes.get(variant.tag));
                if let Some(shape) = shape {
                    return from_shape(shape, &field.name);
                }
                let home = self.home(field, place);
                Recipe::Plain(match recipe::value(home, &place.scope, &field.name) {
                    Plain::Choice(choice) => {
                        Plain::Choice(choice.ruled(&place.scope, &field.name, self.names))
                    }
                    other => other,
                })
            }
        }
    }

    /// Compiles a struct, or the element of a list, that is no copy of another record.
    fn part(&self, field: &Field, fields: &[Field], inside: &FieldSite<'_>) -> Recipe {
        let Some(tag_path) = &field.hints.tag else {
            return Recipe::Struct(self.object(fields, inside));
        };
        let variants = field.hints.variants.iter().map(|(tag, paths)| {
            let union = Variant {
                tag_path,
                tag,
                paths,
            };
            let place = FieldSite {
                scope: inside.scope.clone(),
                path: String::new(),
                union: Some(&union),
            };
            (salt(tag), self.object(fields, &place))
        });
        Recipe::Union {
            variants: variants.collect(),
            tied: TIED_UNIONS.contains(&inside.scope.as_str()),
        }
    }

    fn related(&self, field: &Field, place: &FieldSite<'_>, path: &str) -> Option<Recipe> {
        let scope = &place.scope;
        if let Some(own) = own(scope, field) {
            return Some(own);
        }
        let tie_of = |suffix| {
            let of = field.name.strip_suffix(suffix)?;
            self.names.tie(scope, of)
        };
        if let Some(tie) = tie_of("_id") {
            return Some(Recipe::IdOf(tie));
        }
        if let Some(tie) = tie_of("_name") {
            return self.name_of(tie);
        }
        let tie = self.names.tie(scope, &field.name)?;
        let inside = FieldSite {
            scope: self.inner_scope(scope, &field.name),
            path: path.to_owned(),
            union: place.union,
        };
        match &field.kind {
            FieldKind::Struct(fields) => Some(Recipe::One(tie, self.object(fields, &inside))),
            FieldKind::List(item) => {
                let FieldKind::Struct(fields) = &item.kind else {
                    return None;
                };
                let element = self.part(item, fields, &inside);
                Some(Recipe::Many(tie, Box::new(element)))
            }
            _ => None,
        }
    }

    fn name_of(&self, tie: usize) -> Option<Recipe> {
        let scope = self.names.model_name(self.ties[tie].to);
        let named = field_of(self.catalog.find(&scope)?, "name")?;
        let column = self.column(named, &FieldSite::top(scope), "name".to_owned());
        Some(Recipe::NameOf(tie, Box::new(column)))
    }

    /// Returns the field as the endpoint that lists the record declares it, so that copies get the same value.
    fn home<'f>(&'f self, field: &'f Field, place: &FieldSite<'_>) -> &'f Field {
        let home = self.catalog.find(&place.scope);
        let home = home.and_then(|home| field_of(home, &field.name));
        home.filter(|home| home.kind == field.kind).unwrap_or(field)
    }
}

fn field_of<'f>(endpoint: &'f Endpoint, name: &str) -> Option<&'f Field> {
    endpoint.fields.iter().find(|field| field.name == name)
}

/// Returns the recipe of a field that every record has.
fn own(scope: &str, field: &Field) -> Option<Recipe> {
    let part = scope.contains('#');
    match (field.name.as_str(), &field.kind) {
        ("id", FieldKind::String) if !part => Some(Recipe::Id),
        ("remote_id", FieldKind::String) if !part => Some(Recipe::RemoteId),
        ("changed_at", FieldKind::Timestamp) if !part => Some(Recipe::ChangedAt),
        ("remote_deleted_at", FieldKind::Timestamp) if !part => Some(Recipe::DeletedAt),
        _ => None,
    }
}

/// Returns the recipe of a free value whose union says what it is, in the form of a field without an id.
fn from_shape(shape: &serde_json::Value, name: &str) -> Recipe {
    let text = |key: &str| shape.get(key).and_then(serde_json::Value::as_str);
    let name = text("name").unwrap_or(name);
    match text("type") {
        Some("struct") => {
            let fields = shape.get("fields").and_then(serde_json::Value::as_array);
            let columns = fields.into_iter().flatten().map(|field| {
                let own = field["name"].as_str().unwrap_or_default();
                let nullable = field["nullable"] == true;
                Property {
                    name: own.to_owned(),
                    key: format!("{}:", quoted(own)),
                    salt: salt(own),
                    nullable,
                    optional: false,
                    nulls: if nullable { 10 } else { 0 },
                    when: None,
                    recipe: from_shape(field, name),
                }
            });
            Recipe::Struct(Shape {
                columns: columns.collect(),
            })
        }
        Some("list") => {
            let (least, most) = recipe::lengths(name);
            Recipe::List(Box::new(from_shape(&shape["item"], name)), least, most)
        }
        Some("bool") => Recipe::Plain(Plain::Flag),
        Some("float" | "int") => Recipe::Plain(Plain::Number(1, 5, 1)),
        Some("string") => Recipe::Plain(Plain::Text(recipe::text_of(name))),
        _ => Recipe::Plain(Plain::Free(Free::Any)),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
