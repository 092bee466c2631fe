//! The verbs `completions` and `man`.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::{Args, ShellVerb};
use super::cli_error::{CliError, FAILED};
use super::man_page;

/// Prints a script or a page, or writes all pages into a folder.
pub(super) fn run(verb: &ShellVerb) -> Result<(), CliError> {
    match verb {
        ShellVerb::Completions(args) => {
            let script = completions(args.shell);
            print(script.as_bytes())
        }
        ShellVerb::Man(args) => {
            let pages = man_page::all(Args::command());
            match &args.out {
                Some(folder) => write(&pages, folder),
                None => print(&pages[0].text),
            }
        }
    }
}

fn completions(shell: Shell) -> String {
    let mut program = Args::command();
    let name = program.get_name().to_owned();
    // For bash, clap_complete 4.6.12 makes two different function names of a hyphen, and nothing behind the verb is
    // completed. So the script is made for a name without a hyphen, and registered for the program.
    let plain = match shell {
        Shell::Bash => name.replace('-', "_"),
        _ => name.clone(),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, &plain, &mut script);
    let script = String::from_utf8(script).expect("helps and flags are text");
    script.replace(
        &format!("-o default {plain}\n"),
        &format!("-o default {name}\n"),
    )
}

/// Writes to standard output. A closed pipe is not a failure of the program, but half of a script in a file is.
fn print(text: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::new(
            FAILED,
            format!("standard output cannot be written: {error}"),
            "make room where it goes, and run the command again",
        )),
        _ => Ok(()),
    }
}

fn write(pages: &[man_page::ManPage], folder: &Path) -> Result<(), CliError> {
    let failed = |path: &Path, error: &std::io::Error| {
        CliError::new(
            FAILED,
            format!("{} cannot be written: {error}", path.display()),
            "name a folder in which you may write, such as --out ./man",
        )
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    for page in pages {
        let path = folder.join(&page.file);
        fs::write(&path, &page.text).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}
