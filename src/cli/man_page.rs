//! The manual page of a command, in the format of `man`, from what clap knows of it.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::build_info::BUILD_INFO;

/// One page.
pub(super) struct ManPage {
    /// The name of its file, such as `kombo-source-run.1`.
    pub(super) file: String,
    pub(super) text: Vec<u8>,
}

/// Returns the page of the program, and after it one page for each verb.
pub(super) fn all(mut program: Command) -> Vec<ManPage> {
    // This gives each verb its full name and the global flags.
    program.build();
    let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set());
    let verbs: Vec<Command> = verbs.cloned().collect();
    std::iter::once(program).chain(verbs).map(page).collect()
}

fn page(command: Command) -> ManPage {
    let extra = extra(&command);
    let has_verbs = command.has_subcommands();
    let man = Man::new(command)
        .date(BUILD_INFO.date)
        .source(format!("kombo-source {}", BUILD_INFO.version))
        .manual("kombo-source");
    let mut text = Vec::new();
    let written = man
        .render_title(&mut text)
        .and_then(|()| man.render_name_section(&mut text))
        .and_then(|()| man.render_synopsis_section(&mut text))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text))
        .and_then(|()| {
            if has_verbs {
                man.render_subcommands_section(&mut text)
            } else {
                Ok(())
            }
        })
        .and_then(|()| extra.to_writer(&mut text));
    written.expect("a vector takes every byte");
    ManPage {
        file: man.get_filename(),
        text,
    }
}

/// Returns what stands below the flags of a help: paragraphs, and examples, which `man` must not fill up to its width.
fn extra(command: &Command) -> Roff {
    let mut roff = Roff::new();
    let help = command.get_after_help().map(ToString::to_string);
    let Some(help) = help else { return roff };
    roff.control("SH", ["USE"]);
    let mut is_example = false;
    for line in help.lines() {
        if line.starts_with(' ') != is_example {
            is_example = !is_example;
            roff.control(if is_example { "nf" } else { "fi" }, []);
        }
        if line.is_empty() {
            roff.control("PP", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    if is_example {
        roff.control("fi", []);
    }
    roff
}
