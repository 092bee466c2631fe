//! Integration tests.

mod rebuild;
