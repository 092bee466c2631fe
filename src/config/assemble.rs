//! Picks source and sink out of a document and puts the overrides above them.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api::SetupError;
use crate::lake::LakeSettings;

use super::document::{Node, Value};
use super::error::{ConfigError, nearest};
use super::fold::check_fold;
use super::guard::check_guard;
use super::listening::check_addresses;
use super::marks::Marks;
use super::overrides::Overrides;
use super::reader::join;
use super::section::{SINKS, SOURCES};
use super::sink::{Inputs, check_lake_url};
use super::source::SourceOptions;
use super::upkeep::check_upkeep;
use super::{
    Config, DEFAULT_FILE, FoldOptions, GuardOptions, SinkSettings, SourceSettings,
    TelemetrySettings, UpkeepSettings,
};

/// The names used where no file gives any.
const SOURCE_NAME: &str = "kombo";
const SINK_NAME: &str = "lake";

/// The outermost options.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DocumentOptions {
    pub(super) data_dir: PathBuf,
    #[serde(rename = "api")]
    pub(super) telemetry: TelemetrySettings,
    #[serde(rename = "sources")]
    _sources: IgnoredAny,
    #[serde(rename = "sinks")]
    _sinks: IgnoredAny,
}

impl Default for DocumentOptions {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./kombo-data"),
            telemetry: TelemetrySettings::default(),
            _sources: IgnoredAny,
            _sinks: IgnoredAny,
        }
    }
}

/// Makes a configuration of flags and environment alone.
pub(super) fn from_overrides(overrides: Overrides) -> Result<Config, ConfigError> {
    if overrides.lake_url.is_none() {
        return Err(ConfigError::NoLake { file: DEFAULT_FILE });
    }
    let source = SourceOptions::default().settings(SOURCE_NAME.to_owned());
    let sink = SinkSettings {
        name: SINK_NAME.to_owned(),
        lake: LakeSettings::default(),
        upkeep: UpkeepSettings::default(),
        fold: FoldOptions::default(),
        guard: GuardOptions::default(),
    };
    let marks = Marks::of(DEFAULT_FILE.to_owned(), &Node::empty());
    finish(DocumentOptions::default(), source, sink, marks, overrides)
}

/// Makes a configuration of a document, with the overrides above it.
pub(super) fn from_document(
    origin: String,
    mut root: Node,
    overrides: Overrides,
) -> Result<Config, ConfigError> {
    let marks = Marks::of(origin, &root);
    refuse_variables(&root, "", &marks)?;
    let document: DocumentOptions = marks.read(&root, "")?;
    if document.data_dir.as_os_str().is_empty() {
        return Err(marks.invalid("data_dir", "is empty, but must be a folder"));
    }
    let (source_name, source_node) = SOURCES.only_component(&mut root, &marks)?;
    let source = read_source(source_name, &source_node, &marks)?;
    let (sink_name, sink_node) = SINKS.only_component(&mut root, &marks)?;
    let sink = read_sink(sink_name, sink_node, &source.name, &marks, &overrides)?;
    finish(document, source, sink, marks, overrides)
}

fn finish(
    document: DocumentOptions,
    mut source: SourceSettings,
    mut sink: SinkSettings,
    mut marks: Marks,
    overrides: Overrides,
) -> Result<Config, ConfigError> {
    overrides.apply_to_source(&mut source)?;
    overrides.apply_to_sink(&mut sink)?;
    check_addresses(&source, &document.telemetry, &marks)?;
    check_upkeep(&sink, &source.schedule, &marks)?;
    check_fold(&sink, &marks)?;
    check_guard(&sink, &marks)?;
    sink.lake.second_look = sink.guard.second_look();
    marks.endpoints_flag = !overrides.endpoints.is_empty();
    Ok(Config {
        data_dir: overrides.data_dir.unwrap_or(document.data_dir),
        source,
        sink,
        telemetry: document.telemetry,
        marks,
    })
}

fn read_source(name: String, node: &Node, marks: &Marks) -> Result<SourceSettings, ConfigError> {
    let path = join(SOURCES.key, &name);
    if node.get("api_key").is_some() {
        return Err(marks.invalid(
            &join(&path, "api_key"),
            "does not belong in this file; set KOMBO_API_KEY, or name a file that holds the key with api_key_file",
        ));
    }
    let options: SourceOptions = marks.read_component(node, &path)?;
    if options.region.is_some() && options.endpoint.is_some() {
        return Err(marks.invalid(
            &join(&path, "endpoint"),
            "and region exclude each other: remove one of them",
        ));
    }
    if let Err(error) = options.request.check() {
        let (option, reason) = match error {
            SetupError::Setting { name, reason } => (join("request", name), reason),
            _ => ("request".to_owned(), "it cannot be used"),
        };
        return Err(marks.invalid(&join(&path, &option), &format!("is wrong: {reason}")));
    }
    Ok(options.settings(name))
}

fn read_sink(
    name: String,
    mut node: Node,
    source: &str,
    marks: &Marks,
    overrides: &Overrides,
) -> Result<SinkSettings, ConfigError> {
    let path = join(SINKS.key, &name);
    store_options_as_text(&mut node);
    let inputs = node.take("inputs");
    let upkeep = node.take("upkeep");
    let fold = node.take("fold");
    let guard = node.take("guard");
    let lake: LakeSettings = marks.read_component(&node, &path)?;
    let inputs = match inputs {
        Some(entry) => marks.read(&entry.node, &join(&path, "inputs"))?,
        None => Inputs(Vec::new()),
    };
    check_inputs(&inputs, &path, source, marks)?;
    let url_path = join(&path, "url");
    if marks.has(&url_path) {
        check_lake_url(&lake.url).map_err(|problem| marks.invalid(&url_path, problem))?;
    } else if overrides.lake_url.is_none() {
        return Err(ConfigError::Missing {
            place: marks.place(&path),
            path: url_path,
            advice: "add url: ./kombo-lake, or a bucket such as s3://bucket/prefix".to_owned(),
        });
    }
    let upkeep = match upkeep {
        Some(entry) => marks.read(&entry.node, &join(&path, "upkeep"))?,
        None => UpkeepSettings::default(),
    };
    let fold = match fold {
        Some(entry) => marks.read(&entry.node, &join(&path, "fold"))?,
        None => FoldOptions::default(),
    };
    let guard = match guard {
        Some(entry) => marks.read(&entry.node, &join(&path, "guard"))?,
        None => GuardOptions::default(),
    };
    Ok(SinkSettings {
        name,
        lake,
        upkeep,
        fold,
        guard,
    })
}

fn check_inputs(
    Inputs(inputs): &Inputs,
    path: &str,
    source: &str,
    marks: &Marks,
) -> Result<(), ConfigError> {
    let inputs_path = join(path, "inputs");
    if inputs.is_empty() {
        return Err(ConfigError::Missing {
            place: marks.place(if marks.has(&inputs_path) {
                &inputs_path
            } else {
                path
            }),
            path: inputs_path,
            advice: format!("add inputs: [{source}]"),
        });
    }
    for (position, input) in inputs.iter().enumerate() {
        if input != source {
            let hint = match nearest(input, [source]) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("the source here is {source:?}"),
            };
            let problem = format!("is {input:?}, which names no source; {hint}");
            return Err(marks.invalid(&format!("{inputs_path}[{position}]"), &problem));
        }
    }
    Ok(())
}

/// Lets people write `aws_allow_http: true` and ports without quotes: an object store takes everything as text.
fn store_options_as_text(node: &mut Node) {
    let Value::Map(entries) = &mut node.value else {
        return;
    };
    let Some(options) = entries.iter_mut().find(|entry| entry.key == "options") else {
        return;
    };
    if let Value::Map(options) = &mut options.node.value {
        for option in options {
            let text = match &option.node.value {
                Value::Bool(flag) => flag.to_string(),
                Value::Int(int) => int.to_string(),
                _ => continue,
            };
            option.node.value = Value::Text(text);
        }
    }
}

/// Refuses `${NAME}`: taken as it stands it would make odd folders and wrong keys.
fn refuse_variables(node: &Node, path: &str, marks: &Marks) -> Result<(), ConfigError> {
    match &node.value {
        Value::Text(text) if holds_variable(text) => Err(marks.invalid(
            path,
            "holds ${...}, but variables are not replaced in this file; write the value itself, or use the flag or environment variable for it",
        )),
        Value::List(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(i, item)| refuse_variables(item, &format!("{path}[{i}]"), marks)),
        Value::Map(entries) => entries
            .iter()
            .try_for_each(|entry| refuse_variables(&entry.node, &join(path, &entry.key), marks)),
        _ => Ok(()),
    }
}

fn holds_variable(text: &str) -> bool {
    text.split("${").skip(1).any(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && rest.contains('}')
    })
}
