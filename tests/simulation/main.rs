//! The simulator: the real program in a made-up world, in virtual time, with every fault that a seed enables.
//!
//! One seed decides everything: what customers change, which webhooks are lost, how the store lies, when the program
//! crashes. So a failing seed can be run again, and tells the same story. See `docs/simulator.md`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of the tests"
)]

mod arguments;
mod carrier;
mod changes;
mod clocks;
mod depot;
mod dice;
mod events;
mod everywhere;
mod faults;
mod kombo;
mod life;
mod mishap;
mod network;
mod observations;
mod observer;
mod operator;
mod process;
mod reading;
mod rules;
mod seeds;
mod shrink;
mod site;
mod small;
mod store;
mod story;
mod truth;
mod upload;
mod verdict;
mod webhooks;
mod world;

use std::process::ExitCode;

use arguments::{Arguments, HELP};

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => seeds::run(&arguments),
        Err(problem) => {
            eprintln!("{problem}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}
