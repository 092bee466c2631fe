//! Reads source and sink from a document, applies the overrides, and checks the complete configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::document::{DocumentNode, Value, join};
use super::error::{ConfigError, nearest};
use super::integrations_file;
use super::overrides::Overrides;
use super::places::Places;
use super::section::{SINKS, SOURCES};
use super::written_settings::WrittenSettings;
use super::{Config, DEFAULT_FILE, SinkSettings};
use crate::lake::LakeSettings;
use crate::listener::TelemetrySettings;
use crate::service::SourceSettings;

/// Names of source and sink when there is no file.
const SOURCE_NAME: &str = "kombo";
const SINK_NAME: &str = "lake";

/// The top-level options, without `sources` and `sinks`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DocumentOptions {
    /// Folder of local state: hints that make a restart of the service cheaper. The folder is safe to delete: losing
    /// it costs time, never rows. A folder that is made has mode 0700 and its files 0600; in a folder that is there, new
    /// files get the rights of that folder.
    pub(super) data_dir: PathBuf,
    /// Health and metrics of the service: `GET /live`, `/ready`, `/health` and `/metrics`.
    #[serde(rename = "api")]
    pub(super) telemetry: TelemetrySettings,
}

impl Default for DocumentOptions {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./kombo-data"),
            telemetry: TelemetrySettings::default(),
        }
    }
}

/// Builds a configuration from flags, environment and defaults.
pub(super) fn from_overrides(overrides: &Overrides) -> Result<Config, ConfigError> {
    if overrides.lake_url.is_none() {
        return Err(ConfigError::NoLake { file: DEFAULT_FILE });
    }
    let document = DocumentOptions::default();
    let config = Config {
        data_dir: document.data_dir,
        source: SourceSettings {
            name: SOURCE_NAME.to_owned(),
            ..SourceSettings::default()
        },
        sink: SinkSettings {
            name: SINK_NAME.to_owned(),
            lake: LakeSettings::default(),
        },
        telemetry: document.telemetry,
        places: Places::of(DEFAULT_FILE, &DocumentNode::empty()),
        written: WrittenSettings::default(),
    };
    finish(config, overrides)
}

/// Builds a configuration from a document and the overrides.
pub(super) fn from_document(
    origin: &Path,
    mut root: DocumentNode,
    overrides: &Overrides,
) -> Result<Config, ConfigError> {
    let places = Places::of(&origin.display().to_string(), &root);
    refuse_variables(&root, &places)?;
    let written = WrittenSettings::of(&root);
    let components = [SOURCES.key, SINKS.key];
    let [sources, sinks] = components.map(|key| root.take(key));
    let document: DocumentOptions = places.read(&root, "", &components)?;
    if document.data_dir.as_os_str().is_empty() {
        return Err(places.invalid("data_dir", "is empty, but must be a folder"));
    }
    let (name, node) = SOURCES.only_component(sources, &places)?;
    let source = SourceSettings {
        name: name.clone(),
        ..read_source(&name, node, &places)?
    };
    let (name, node) = SINKS.only_component(sinks, &places)?;
    let lake = read_lake(&name, node, &source.name, &places, overrides)?;
    let config = Config {
        data_dir: document.data_dir,
        source,
        sink: SinkSettings { name, lake },
        telemetry: document.telemetry,
        places,
        written,
    };
    finish(config, overrides)
}

/// Applies the overrides and lets each struct check itself. What two sections have to agree on is checked here.
fn finish(mut config: Config, overrides: &Overrides) -> Result<Config, ConfigError> {
    overrides.apply(&mut config)?;
    let source_path = join(SOURCES.key, &config.source.name);
    let file_path = join(&source_path, "integrations_file");
    integrations_file::add(&mut config.source, &file_path, &config.places)?;
    for path in overrides.paths(&source_path, &join(SINKS.key, &config.sink.name)) {
        config.written.forget(&path);
    }
    let integrations = config.source.integrations.iter().map(ToString::to_string);
    let integrations = integrations.collect();
    (config.written).set_list(join(&source_path, "integrations"), integrations);
    let Config {
        source,
        sink,
        telemetry,
        places,
        ..
    } = &config;
    telemetry.check().map_err(places.refused("api"))?;
    source.check().map_err(places.refused(&source_path))?;
    if let Some(webhook) = &source.webhook
        && let (address, other) = (webhook.address, telemetry.address)
        && telemetry.enabled
        && webhook.takes_port_of(other)
    {
        let problem = format!(
            "is {address}, but {other} is taken by api, for health and metrics; give one of them another port"
        );
        return Err(places.invalid(&join(&source_path, "webhook.address"), problem));
    }
    let sink_path = join(SINKS.key, &sink.name);
    sink.lake.check().map_err(places.refused(&sink_path))?;
    let grace = sink.lake.upkeep.check_grace(source.schedule.full_interval);
    grace.map_err(places.refused(&join(&sink_path, "upkeep")))?;
    Ok(config)
}

fn read_source(
    name: &str,
    mut node: DocumentNode,
    places: &Places,
) -> Result<SourceSettings, ConfigError> {
    let path = join(SOURCES.key, name);
    if node.take("api_key").is_some() {
        return Err(places.invalid(
            &join(&path, "api_key"),
            "does not belong in this file; set KOMBO_API_KEY, or name a file that holds the key with api_key_file",
        ));
    }
    let source = places.read(&node, &path, &["type"])?;
    let endpoint = join(&path, "endpoint");
    if places.has(&endpoint) && places.has(&join(&path, "region")) {
        let problem = "and region exclude each other: remove one of them";
        return Err(places.invalid(&endpoint, problem));
    }
    Ok(source)
}

fn read_lake(
    name: &str,
    mut node: DocumentNode,
    source: &str,
    places: &Places,
    overrides: &Overrides,
) -> Result<LakeSettings, ConfigError> {
    let path = join(SINKS.key, name);
    store_options_as_text(&mut node);
    let inputs = node.take("inputs");
    let lake = places.read(&node, &path, &["type", "inputs"])?;
    let inputs_path = join(&path, "inputs");
    let inputs: Vec<String> = match &inputs {
        Some(inputs) => places.read(inputs, &inputs_path, &[])?,
        None => Vec::new(),
    };
    check_inputs(&inputs, &inputs_path, source, places)?;
    let url = join(&path, "url");
    if !places.has(&url) && overrides.lake_url.is_none() {
        let advice = "add url: ./kombo-lake, or a bucket such as s3://bucket/prefix";
        return Err(places.missing(&path, url, advice.to_owned()));
    }
    Ok(lake)
}

fn check_inputs(
    inputs: &[String],
    path: &str,
    source: &str,
    places: &Places,
) -> Result<(), ConfigError> {
    if inputs.is_empty() {
        let sink = path.trim_end_matches(".inputs");
        let place = if places.has(path) { path } else { sink };
        let advice = format!("add inputs: [{source}]");
        return Err(places.missing(place, path.to_owned(), advice));
    }
    let mut inputs = inputs.iter().enumerate();
    let Some((position, input)) = inputs.find(|(_, input)| *input != source) else {
        return Ok(());
    };
    let hint = match nearest(input, [source]) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("the source here is {source:?}"),
    };
    let problem = format!("is {input:?}, which names no source; {hint}");
    Err(places.invalid(&format!("{path}[{position}]"), problem))
}

/// Turns booleans and numbers of the store's options into text, because an object store takes text only. So
/// `aws_allow_http: true` needs no quotes.
fn store_options_as_text(node: &mut DocumentNode) {
    if let Value::Map(entries) = &mut node.value
        && let Some((_, node)) = entries.iter_mut().find(|(key, _)| key == "options")
        && let Value::Map(options) = &mut node.value
    {
        for (_, option) in options {
            option.value = match &option.value {
                Value::Bool(flag) => Value::Text(flag.to_string()),
                Value::Int(int) => Value::Text(int.to_string()),
                _ => continue,
            };
        }
    }
}

/// Refuses `${NAME}` in values: unreplaced, such a text would become a folder or a key of that name.
fn refuse_variables(root: &DocumentNode, places: &Places) -> Result<(), ConfigError> {
    root.walk("", &mut |path, node| match &node.value {
        Value::Text(text) if holds_variable(text) => Err(places.invalid(
            path,
            "holds ${...}, but variables are not replaced in this file; write the value itself, or use the flag or environment variable for it",
        )),
        _ => Ok(()),
    })
}

fn holds_variable(text: &str) -> bool {
    text.split("${").skip(1).any(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && rest.contains('}')
    })
}
