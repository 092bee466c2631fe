//! The commented default configuration.

/// Returns the text for `kombo-source generate`: every option with its default and a reason.
#[must_use]
pub fn generate() -> &'static str {
    include_str!("kombo.yaml")
}
