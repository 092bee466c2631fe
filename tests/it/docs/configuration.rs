//! `docs/configuration.md` and the comments of `src/config/kombo.yaml` are written from the settings structs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use kombo_source::config::{
    API_KEY_VARIABLE, Config, Overrides, WEBHOOK_OTHER_SECRET_VARIABLE, WEBHOOK_SECRET_VARIABLE,
    generate,
};

use super::options::{self, ConfigOption, SECTIONS};
use super::renewed;

const PAGE: &str = "docs/configuration.md";
const YAML: &str = "src/config/kombo.yaml";
/// What stands above the line is written by hand.
const LINE: &str =
    "<!-- From here on written by `KOMBO_RENEW_DOCS=1 cargo test --test it docs`. -->\n";
const WIDTH: usize = 118;

#[test]
fn docs_configuration_is_what_the_settings_say() {
    let options = options::all();
    let mut text = String::new();
    for (section, ..) in SECTIONS {
        writeln!(text, "\n## {}\n", title(section)).expect("a String takes every text");
        if let Some(of) = options.iter().find(|option| option.path == *section) {
            writeln!(text, "{}\n", of.text).expect("a String takes every text");
        }
        text.push_str("| Option | Value | Default | Meaning |\n| --- | --- | --- | --- |\n");
        for option in options
            .iter()
            .filter(|option| parent(&option.path) == *section)
        {
            text.push_str(&row(option));
        }
    }
    renewed(PAGE, LINE, &text);
}

#[test]
fn docs_printed_configuration_says_what_the_settings_say() {
    let options = options::all();
    let mut text = String::new();
    let mut head = true;
    for line in options::yaml() {
        let own = line.path.as_deref();
        let option = options
            .iter()
            .find(|option| Some(option.path.as_str()) == own);
        head &= !line.text.is_empty();
        if let Some(option) = option.filter(|option| option.name() != "type") {
            text.push_str(&comment(option, &line.prefix));
        }
        if line.path.is_some() || line.text.is_empty() || head {
            let code = line.text.split_at(line.prefix.len()).1;
            let code = code.split("  #").next().unwrap_or_default();
            let code = format!("{}{code}", line.prefix);
            writeln!(text, "{}", code.trim_end()).expect("a String takes every text");
        }
    }
    let lacking: Vec<_> = options
        .iter()
        .filter(|option| !generate().contains(&format!("{}:", option.name())))
        .collect();
    assert!(lacking.is_empty(), "{YAML} lacks {lacking:?}");
    renewed(YAML, "", &text);
}

/// The bounds that a comment states are the bounds that the reader keeps.
#[test]
fn docs_ranges_of_options_are_kept() {
    let mut checked = 0;
    for option in options::all() {
        let Some(range) = &option.range else { continue };
        let numbers = range.split(|c: char| !c.is_ascii_digit());
        let numbers: Vec<i64> = numbers.filter_map(|number| number.parse().ok()).collect();
        let (least, most) = match numbers[..] {
            [_, most] if range.starts_with("above 0") => (1, Some(most)),
            [least] => (least, None),
            [least, most, ..] => (least, Some(most)),
            [] => panic!("{}: {range} names no number", option.path),
        };
        assert_eq!(load(&option, least), Ok(()), "{}", option.path);
        let below = if range.ends_with("or 0") {
            1
        } else {
            least - 1
        };
        load(&option, below).expect_err(&option.path);
        if let Some(most) = most {
            assert_eq!(load(&option, most), Ok(()), "{}", option.path);
            load(&option, most + 1).expect_err(&option.path);
        }
        checked += 1;
    }
    assert!(checked > 8, "only {checked} options state a range");
}

#[test]
fn docs_configuration_names_every_variable() {
    let program = kombo_source::cli::args::Args::command();
    let verbs = program.get_subcommands().flat_map(Command::get_arguments);
    let variables = verbs
        .chain(program.get_arguments())
        .filter_map(Arg::get_env);
    let variables = variables.map(|name| name.to_string_lossy().into_owned());
    let secrets = [
        API_KEY_VARIABLE,
        WEBHOOK_SECRET_VARIABLE,
        WEBHOOK_OTHER_SECRET_VARIABLE,
    ];
    let text = fs::read_to_string(crate::source_text::root().join(PAGE)).expect("readable");
    for name in variables.chain(secrets.map(str::to_owned)) {
        assert!(text.contains(&format!("`{name}`")), "{PAGE} lacks {name}");
    }
}

/// Loads the smallest file with one option more.
fn load(option: &ConfigOption, value: i64) -> Result<(), String> {
    let mut source = "type: kombo".to_owned();
    let mut lake = "type: delta_lake, inputs: [kombo], url: ./lake".to_owned();
    if let Some(path) = option.path.strip_prefix("sinks.lake.") {
        lake = format!("{lake}, {}", nested(path, value));
    } else {
        let path = option.path.strip_prefix("sources.kombo.");
        let path = path.expect("only options of source and sink state a range");
        source = format!("{source}, {}", nested(path, value));
    }
    let text = format!("sources: {{kombo: {{{source}}}}}\nsinks: {{lake: {{{lake}}}}}\n");
    let file = tempfile::Builder::new()
        .suffix(".yaml")
        .tempfile()
        .expect("a file");
    fs::write(file.path(), text).expect("written");
    let loaded = Config::load(Some(Path::new(file.path())), &Overrides::default());
    loaded.map(|_| ()).map_err(|error| error.to_string())
}

fn nested(path: &str, value: i64) -> String {
    match path.split_once('.') {
        Some((section, rest)) => format!("{section}: {{{}}}", nested(rest, value)),
        None => format!("{path}: {value}"),
    }
}

fn title(section: &str) -> String {
    match section.split_once('.') {
        None if section.is_empty() => "Top level".to_owned(),
        Some((kind, rest)) => {
            let below = rest
                .split_once('.')
                .map_or(String::new(), |(_, below)| format!(".{below}"));
            format!("`{kind}.<name>{below}`")
        }
        None => format!("`{section}`"),
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn row(option: &ConfigOption) -> String {
    let name = option.name();
    if option.is_section() {
        let anchor = title(&option.path).to_lowercase();
        let anchor: String = anchor
            .chars()
            .filter(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        return format!("| `{name}` | [section](#{anchor}) | | {} |\n", option.text);
    }
    let mut text = option.text.replace('|', "\\|");
    if let Some((flag, variable)) = option.flag() {
        let variable = variable.map(|name| format!(", variable `{name}`"));
        write!(text, " Flag `{flag}`{}.", variable.unwrap_or_default())
            .expect("a String takes every text");
    }
    format!(
        "| `{name}` | {} | {} | {text} |\n",
        option.kind(),
        option.default()
    )
}

/// Returns the comment lines above an option of the printed file.
fn comment(option: &ConfigOption, prefix: &str) -> String {
    let mut text = option.text.replace('`', "");
    if let Some(range) = &option.range {
        write!(text, " Range: {range}.").expect("a String takes every text");
    }
    // The comment of an option that is off stays a comment when the option is switched on.
    let prefix = if prefix.trim_start().starts_with("#  ") {
        format!("{prefix}# ")
    } else {
        format!("{}# ", prefix.replace("# ", ""))
    };
    let mut lines = vec![prefix.clone()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("never empty");
        if line.len() + word.len() > WIDTH && line.len() > prefix.len() {
            lines.push(format!("{prefix}{word} "));
        } else {
            line.push_str(word);
            line.push(' ');
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    format!("{}\n", lines.join("\n"))
}
