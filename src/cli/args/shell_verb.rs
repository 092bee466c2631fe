//! The verbs that print what a machine with the program wants to have: completions and manual pages.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;

/// A verb that prints a file for the shell or for `man`.
#[derive(Clone, Debug, Subcommand)]
pub enum ShellVerb {
    /// Print a script that completes verbs and flags in a shell
    #[command(after_help = "\
Bash, at once and for the next sessions:
  source <(kombo-source completions bash)
  kombo-source completions bash \\
    > ~/.local/share/bash-completion/completions/kombo-source

Zsh, into a folder of $fpath; fish:
  kombo-source completions zsh > ~/.zfunc/_kombo-source
  kombo-source completions fish > ~/.config/fish/completions/kombo-source.fish")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write one page for the program and each verb
    #[command(after_help = "\
Examples:
  kombo-source man > kombo-source.1
  kombo-source man --out /usr/local/share/man/man1

Then:
  man kombo-source-run")]
    Man(ManArgs),
}

/// The flags of `completions`.
#[derive(Clone, Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell that reads the script
    pub shell: Shell,
}

/// The flags of `man`.
#[derive(Clone, Debug, clap::Args)]
pub struct ManArgs {
    /// Write the pages of the program and of every verb into this folder
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
