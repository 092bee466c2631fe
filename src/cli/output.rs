//! Standard output of the verbs.
//!
//! `println!` panics when the reader has closed the pipe, as `head` does. Here the process ends instead, with the code
//! that shells know from other programs.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::process::exit;

/// Exit code of a program whose reader has closed the pipe: 128 and the number of SIGPIPE.
const CLOSED_PIPE: i32 = 141;

/// Exit code for output that cannot be written, such as onto a full disk: `EX_IOERR` of sysexits.
const NOT_WRITTEN: i32 = 74;

/// Writes a text to standard output at once.
pub(super) fn put(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let written = write!(out, "{text}").and_then(|()| out.flush());
    if let Err(error) = written {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("the output cannot be written: {error}");
            exit(NOT_WRITTEN);
        }
        exit(CLOSED_PIPE);
    }
}

/// Writes a text and the end of its line to standard output at once.
pub(super) fn line(text: impl Display) {
    put(format_args!("{text}\n"));
}
