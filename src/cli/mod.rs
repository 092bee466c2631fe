//! The command line: what can be asked for, and in which words.
//!
//! [`Args`] is what a command line says. It holds plain values and does nothing: the verbs are carried out elsewhere.

mod args;

pub use args::{
    Args, BackfillArgs, BackfillMode, DemoArgs, FilesArgs, FilesPart, GlobalArgs, LogFormat,
    SettingsArgs, TwinArgs, Verb, exit_code,
};
