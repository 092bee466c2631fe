//! The graph of which file names which: from the crate's `use` trees and paths, with re-exports resolved.

use std::collections::{BTreeMap, BTreeSet};

use crate::source_text::{Source, is_identifier, sources};

/// The files of `src` and the files that each of them names.
pub(crate) struct Graph {
    /// The named files of each file, by path below `src/`.
    pub(crate) names: BTreeMap<String, BTreeSet<String>>,
}

/// A module path without `crate`, such as `lake::fold`. Empty for the crate's root.
type ModulePath = Vec<String>;

impl Graph {
    /// Reads all files of the product.
    pub(crate) fn of_crate() -> Self {
        Self::of(&sources("src"))
    }

    fn of(sources: &[Source]) -> Self {
        let files: BTreeMap<ModulePath, &Source> = sources
            .iter()
            .filter_map(|source| Some((module_path(source.below_src()?), source)))
            .collect();
        let reexports = Reexports::of(&files);
        let mut names = BTreeMap::new();
        for (module, source) in &files {
            let mut others = BTreeSet::new();
            for path in paths(&code(source)) {
                let whole = absolute(module, &path);
                if let Some(file) = whole.and_then(|whole| reexports.home(&files, whole)) {
                    others.insert(file.to_owned());
                }
            }
            let own = source.below_src().expect("only src is listed").to_owned();
            others.remove(&own);
            names.insert(own, others);
        }
        Self { names }
    }

    /// Returns the groups of files in which each file reaches every other file. A module and the files below it may
    /// name each other, so these steps do not count.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let mut circles: Vec<Vec<String>> = Vec::new();
        for file in self.names.keys() {
            let reached = self.reached(file);
            let back = reached
                .iter()
                .filter(|other| self.reached(other).contains(file));
            let circle: Vec<String> = back.cloned().collect();
            if circle.len() > 1 && !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    fn reached(&self, from: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(file) = open.pop() {
            for next in &self.names[&file] {
                if !is_family(&file, next) && reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached
    }
}

/// Returns whether one of the two files is a parent module of the other, at any distance.
fn is_family(one: &str, other: &str) -> bool {
    let (one, other) = (module_path(one), module_path(other));
    one.starts_with(&other) || other.starts_with(&one)
}

/// The re-exports of modules, such as `pub use fold::FoldReport`.
struct Reexports(BTreeMap<ModulePath, ModulePath>);

impl Reexports {
    fn of(files: &BTreeMap<ModulePath, &Source>) -> Self {
        let mut found = BTreeMap::new();
        for (module, source) in files {
            let code = code(source);
            for statement in statements(&code, "pub") {
                for path in use_paths(statement) {
                    let name = path.last().expect("a path has a name").clone();
                    let name = [module.clone(), vec![name]].concat();
                    if let Some(whole) = absolute(module, &path) {
                        found.insert(name, whole);
                    }
                }
            }
        }
        Self(found)
    }

    /// Returns the file that defines the item at a path.
    fn home<'a>(
        &self,
        files: &BTreeMap<ModulePath, &'a Source>,
        mut path: ModulePath,
    ) -> Option<&'a str> {
        // Chains of re-exports are short, and a circle of re-exports does not compile.
        for _ in 0..8 {
            let handed = (1..=path.len()).find_map(|end| Some((end, self.0.get(&path[..end])?)));
            let Some((end, to)) = handed else { break };
            if files.contains_key(&path[..end]) {
                break;
            }
            path = [to.clone(), path[end..].to_vec()].concat();
        }
        let known = (1..=path.len())
            .rev()
            .find_map(|end| files.get(&path[..end]));
        known.and_then(|source| source.below_src())
    }
}

/// Returns the module path of a file: `lake/fold/mod.rs` is `lake::fold`.
fn module_path(below_src: &str) -> ModulePath {
    let name = below_src.strip_suffix(".rs").unwrap_or(below_src);
    let name = name.strip_suffix("/mod").unwrap_or(name);
    if name == "lib" {
        return Vec::new();
    }
    name.split('/').map(str::to_owned).collect()
}

/// Converts a path as a module writes it to a path from the crate's root. Returns `None` for a path outside the crate.
fn absolute(module: &ModulePath, path: &[String]) -> Option<ModulePath> {
    let mut base = module.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" | "kombo_source" => {
            base.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        _ => {}
    }
    while rest.first().is_some_and(|part| part == "super") {
        base.pop();
        rest = &rest[1..];
    }
    Some([base, rest.to_vec()].concat())
}

fn code(source: &Source) -> String {
    let lines: Vec<&str> = source.code().into_iter().map(|(_, line)| line).collect();
    lines.join("\n")
}

/// Returns every path with several parts in the code. `use` trees are split into their paths.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut body = code.to_owned();
    for statement in statements(code, "") {
        found.extend(use_paths(statement));
        body = body.replace(statement, "");
    }
    let mut rest = body.as_str();
    while let Some(at) = rest.find("::") {
        let before = rest[..at].trim_end_matches(is_identifier);
        let starts_path = !before.ends_with("::");
        let path = &rest[before.len()..];
        let end = path
            .find(|c: char| !is_identifier(c) && c != ':')
            .unwrap_or(path.len());
        if starts_path {
            found.push(parts(&path[..end]));
        }
        rest = &rest[at + 2..];
    }
    found.retain(|path| !path.is_empty());
    found
}

fn parts(path: &str) -> Vec<String> {
    let parts = path.split("::").map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns the trees of `use` statements that begin with a visibility, or of all `use` statements.
fn statements<'a>(code: &'a str, visibility: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let before = code[line..at].trim();
        let is_use = before.is_empty() || before.starts_with("pub");
        let Some(end) = code[at..].find(';') else {
            continue;
        };
        if is_use && before.starts_with(visibility) {
            found.push(&code[at + 4..at + end]);
        }
    }
    found
}

/// Splits a `use` tree into its paths: `a::{b, c::D as E}` is `a::b` and `a::c::D`.
fn use_paths(tree: &str) -> Vec<Vec<String>> {
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        let mut path = parts(path);
        path.retain(|part| part != "*");
        return if path.is_empty() { vec![] } else { vec![path] };
    };
    let base = parts(&tree[..open]);
    let close = tree.rfind('}').unwrap_or(tree.len());
    let (mut depth, mut start, mut found) = (0_usize, open + 1, Vec::new());
    for (at, c) in tree[open + 1..close].char_indices() {
        let at = open + 1 + at;
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.extend(use_paths(&tree[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.extend(use_paths(&tree[start..close]));
    let whole = found.into_iter().map(|path| {
        let path = path.into_iter().filter(|part| part != "self");
        base.iter().cloned().chain(path).collect()
    });
    whole.collect()
}

#[test]
fn files_that_name_each_other_are_found_through_reexports_too() {
    let file = |path: &str, text: &str| Source {
        path: format!("src/{path}"),
        text: text.to_owned(),
    };
    let graph = Graph::of(&[
        file("lib.rs", "mod a;\nmod b;\n"),
        file(
            "a/mod.rs",
            "mod one;\nmod two;\npub use one::{One, Other as Else};\nuse crate::b::B;\n",
        ),
        file("a/one.rs", "use super::two::Two;\nfn f() { super::g(); }\n"),
        file(
            "a/two.rs",
            "use std::fmt;\nuse crate::{a::{self, One}, b};\n",
        ),
        file(
            "b.rs",
            "fn f() { crate::a::two::g() }\n#[cfg(test)]\nmod tests {\n use crate::a::One;\n}\n",
        ),
    ]);
    let named = |of: &str| graph.names[of].iter().cloned().collect::<Vec<_>>();
    assert_eq!(named("a/mod.rs"), ["a/one.rs", "b.rs"]);
    assert_eq!(named("a/one.rs"), ["a/mod.rs", "a/two.rs"]);
    assert_eq!(named("a/two.rs"), ["a/mod.rs", "a/one.rs", "b.rs"]);
    assert_eq!(named("b.rs"), ["a/two.rs"]);
    assert_eq!(graph.circles(), [["a/one.rs", "a/two.rs", "b.rs"]]);
}
