//! The build script: tells the program which build it is, and gives its allocator the settings.
//!
//! The crate is built again when this script runs again, so the script watches no more than it must.

mod allocator;
mod version;

fn main() {
    version::tell();
    allocator::set();
}
