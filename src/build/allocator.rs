//! The settings of jemalloc, compiled into the program.
//!
//! jemalloc reads the text `malloc_conf` before the first line of Rust runs, and some settings cannot be changed later. A
//! static of that name needs `unsafe` in Rust, which this crate forbids, and a variable for the build of jemalloc reaches
//! only builds that start in this folder. So the text is a file in C, and is linked into the program, not into the library:
//! whoever embeds the library chooses an allocator of their own.

use std::env;

const SETTINGS: &str = "src/build/allocator.c";

/// Compiles the settings, and links them into the program.
pub(crate) fn set() {
    println!("cargo:rerun-if-changed={SETTINGS}");
    if env::var_os("CARGO_FEATURE_CLI").is_none() {
        return;
    }
    for object in cc::Build::new().file(SETTINGS).compile_intermediates() {
        println!("cargo:rustc-link-arg-bins={}", object.display());
    }
}
