//! From Kombo's API to Delta tables.

/// Rows are gathered on one thread and freed on another, which glibc answers with ever more arenas.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    kombo_source::cli::main()
}
