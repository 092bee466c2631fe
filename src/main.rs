//! From Kombo's API to Delta tables.

fn main() -> std::process::ExitCode {
    kombo_source::cli::main()
}
