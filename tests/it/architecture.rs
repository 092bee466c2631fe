//! Rules about the source code that a reader cannot check in one file: which module may name which, where outside
//! crates may be used, what names may say, and how long files and functions may be.
//!
//! Test code may use any module and any outside crate. The limits on length hold for test code, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::source_graph::Graph;
use crate::source_text::{
    files, functions, named_modules, names_crate, relative, root, sources, type_names,
};

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 60;

/// Every top-level module and its floor. A module names only modules on lower floors, or on its own floor if that makes
/// no circle.
const FLOORS: &[(usize, &[&str])] = &[
    (
        0,
        &[
            "chance",
            "cpu",
            "ids",
            "time",
            "fetch",
            "json",
            "sample",
            "setting",
            "trust",
            "words",
            "host",
            "build_info",
        ],
    ),
    (
        1,
        &[
            "catalog", "webhook", "plan", "decode", "versions", "company", "metrics", "trouble",
            "chore", "customer",
        ],
    ),
    (2, &["api", "delta", "listener"]),
    (3, &["sink", "stream"]),
    (4, &["lake"]),
    (5, &["ingest"]),
    (6, &["service", "backfill", "status", "config"]),
    (7, &["twin", "cli", "main"]),
    // The build script names no module.
    (8, &["build"]),
];

/// The floor of the edges. Modules of this floor must not name each other, because each one is the only home of an
/// outside crate.
const EDGES: usize = 2;

/// Outside crates that may be used in one place only, as path prefixes below `src/`.
const HOMES: &[(&str, &[&str])] = &[
    ("reqwest", &["api/http/http_transport"]),
    ("governor", &["api/throttle"]),
    ("parquet", &["delta/file/"]),
    ("serde_arrow", &["delta/rows"]),
    ("delta_kernel", &["delta/log/"]),
    ("delta_kernel_default_engine", &["delta/log/"]),
    ("async_stream", &["stream"]),
    ("axum", &["twin"]),
    ("hyper", &["listener"]),
    ("hyper_util", &["listener"]),
    ("http_body_util", &["listener"]),
    ("tokio_rustls", &["listener"]),
    ("prometheus_client", &["metrics"]),
    ("clap", &["cli", "main.rs"]),
    ("clap_complete", &["cli/shell.rs", "cli/args/shell_verb.rs"]),
    ("clap_mangen", &["cli/man_page.rs"]),
    ("console", &["cli/terminal"]),
    ("indicatif", &["cli"]),
    ("hmac", &["webhook/signature"]),
    ("base64", &["webhook/signature"]),
];

/// Names that say nothing about the content of a file.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "types", "facts", "marks", "notes",
    "known", "own", "place", "thing",
];

#[test]
fn modules_name_only_modules_on_lower_floors() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let Some(module) = source.module() else {
            continue;
        };
        let Some(floor) = floor_of(module) else {
            wrong.push(format!(
                "{}: module `{module}` has no floor; give it one in FLOORS",
                source.path
            ));
            continue;
        };
        for name in named_modules(&source) {
            match floor_of(&name) {
                Some(other) if other > floor => wrong.push(format!(
                    "{}: `{module}` (floor {floor}) names `{name}` (floor {other})",
                    source.path
                )),
                Some(EDGES) if floor == EDGES && name != module => wrong.push(format!(
                    "{}: `{module}` names `{name}`; edges meet in floor 3",
                    source.path
                )),
                _ => {}
            }
        }
    }
    assert_none("a module names a module on a higher floor", &wrong);
}

#[test]
fn modules_name_each_other_in_no_circle() {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources("src") {
        if let Some(module) = source.module() {
            let others = named_modules(&source)
                .into_iter()
                .filter(|name| name != module);
            named.entry(module.to_owned()).or_default().extend(others);
        }
    }
    // Remove modules that name no remaining module, until there is none. The rest is circles and modules that name
    // them.
    while let Some(free) = named
        .iter()
        .find(|(_, names)| names.iter().all(|name| !named.contains_key(name)))
        .map(|(module, _)| module.clone())
    {
        named.remove(&free);
    }
    let circles: Vec<String> = named
        .iter()
        .map(|(module, names)| format!("{module} names {names:?}"))
        .collect();
    assert_none("modules name each other in a circle", &circles);
}

/// A parent module and the files below it may name each other. No other two files may, directly or through further
/// files.
#[test]
fn files_name_each_other_in_no_circle() {
    let circles = Graph::of_crate().circles();
    let circles: Vec<String> = circles.iter().map(|circle| circle.join(", ")).collect();
    assert_none("files name each other in a circle", &circles);
}

/// The rooms inside a room, the lowest first. A file in a room names only files in the same or in lower rooms.
const SUB_ROOMS: &[(&str, &[&str])] = &[
    ("delta", &["store", "log", "file", "table", "transact"]),
    (
        "lake",
        &[
            "layout",
            "tables",
            "ledgers",
            "intake",
            "fold",
            "care",
            "reports",
            "chores",
            "door",
            "lake_sink",
        ],
    ),
    (
        "service",
        &["slots", "fetching", "dispatch", "runner", "run"],
    ),
];

#[test]
fn rooms_inside_a_room_name_only_lower_ones() {
    let graph = Graph::of_crate();
    let mut wrong = Vec::new();
    for (room, order) in SUB_ROOMS {
        let floor_inside = |path: &str| {
            let below = path.strip_prefix(room)?.strip_prefix('/')?;
            let child = below.split(['/', '.']).next()?;
            order.iter().position(|one| *one == child)
        };
        for (file, names) in &graph.names {
            let Some(own) = floor_inside(file) else {
                continue;
            };
            let above = |name: &&String| floor_inside(name).is_some_and(|floor| floor > own);
            for name in names.iter().filter(above) {
                wrong.push(format!("{file} names {name}, which lies above it"));
            }
        }
    }
    assert_none("a room inside a room names a higher room", &wrong);
}

/// `Lake` is a front for callers, and its rooms work on tables. Only chores, which join several rooms, use `Lake`.
#[test]
fn rooms_of_the_lake_do_not_name_the_lake() {
    let mut wrong = Vec::new();
    for room in ["ledgers", "intake", "fold", "care", "reports"] {
        for source in sources(&format!("src/lake/{room}")) {
            for (number, line) in source.code() {
                let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                if words.any(|word| word == "Lake") {
                    wrong.push(format!("{}:{number}", source.path));
                }
            }
        }
    }
    assert_none("a room names the door", &wrong);
}

#[test]
fn a_type_name_stands_for_one_type_in_the_crate() {
    let mut homes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources("src") {
        for name in type_names(&source) {
            homes.entry(name).or_default().insert(source.path.clone());
        }
    }
    let twice = homes.into_iter().filter(|(_, files)| files.len() > 1);
    let twice: Vec<String> = twice
        .map(|(name, files)| format!("{name}: {files:?}"))
        .collect();
    assert_none("a type name stands twice", &twice);
}

#[test]
fn outside_crates_stay_in_their_homes() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let below = source.below_src().expect("only src is listed");
        for (number, line) in source.code() {
            for (name, homes) in HOMES {
                if names_crate(line, name) && !homes.iter().any(|home| below.starts_with(home)) {
                    wrong.push(format!(
                        "{}:{number} names `{name}`, at home in {homes:?}",
                        source.path
                    ));
                }
            }
        }
    }
    assert_none("an outside crate has left its home", &wrong);
}

/// Calls that are made in one file below `src/` only, and what all others call instead.
const CALL_HOMES: &[(&[&str], &str, &str)] = &[
    // `serde` accepts an array in place of a struct, and `crate::json` does not.
    (
        &[
            "serde_json::from_slice",
            "serde_json::from_str",
            "serde_json::from_reader",
            "serde_json::from_value",
            "serde_json::Deserializer",
        ],
        "json.rs",
        "`crate::json`",
    ),
    // A simulator decides on which thread work runs, and which names are fresh.
    (
        &["spawn_blocking(", "block_in_place(", "thread::spawn("],
        "cpu.rs",
        "`crate::cpu::CpuWork`",
    ),
    (
        &["Uuid::new_v4"],
        "chance.rs",
        "`crate::chance::fresh_uuid`",
    ),
];

#[test]
fn some_calls_are_made_in_one_home() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let below = source.below_src().expect("only src is listed");
        for (number, line) in source.code() {
            for (calls, home, instead) in CALL_HOMES {
                if below != *home && calls.iter().any(|call| line.contains(call)) {
                    wrong.push(format!("{}:{number}: call {instead}", source.path));
                }
            }
        }
    }
    assert_none("a call is made outside of its home", &wrong);
}

#[test]
fn files_and_functions_are_short_enough_to_proofread() {
    let mut wrong = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        let lines: Vec<&str> = source.text.lines().collect();
        if lines.len() > MAX_FILE_LINES {
            wrong.push(format!(
                "{}: {} lines, more than {MAX_FILE_LINES}",
                source.path,
                lines.len()
            ));
        }
        for (start, length) in functions(&lines) {
            if length > MAX_FUNCTION_LINES {
                wrong.push(format!(
                    "{}:{}: a function of {length} lines, more than {MAX_FUNCTION_LINES}",
                    source.path,
                    start + 1
                ));
            }
        }
    }
    for path in files(&root().join("tests/python"), "py") {
        let count = fs::read_to_string(&path).expect("readable").lines().count();
        if count > MAX_FILE_LINES {
            wrong.push(format!(
                "{}: {count} lines, more than {MAX_FILE_LINES}",
                relative(&path)
            ));
        }
    }
    assert_none("too long", &wrong);
}

#[test]
fn file_names_say_what_is_in_them() {
    let wrong: Vec<String> = files(&root().join("src"), "rs")
        .into_iter()
        .chain(files(&root().join("tests"), "rs"))
        .chain(files(&root().join("tests"), "py"))
        .map(|path| relative(&path))
        .filter(|path| {
            path.split(['/', '.'])
                .any(|part| EMPTY_NAMES.contains(&part))
        })
        .collect();
    assert_none("a name that says nothing", &wrong);
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS
        .iter()
        .find(|(_, modules)| modules.contains(&module))
        .map(|(floor, _)| *floor)
}

fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}
