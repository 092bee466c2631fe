//! Why a page could not be decoded, sorted by what can be done about it.

/// Why a page could not be decoded. The messages hold positions and kinds, and never quote the page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The page is larger than [`super::DecodeLimits::page_bytes`].
    #[error("a page has {bytes} bytes, more than the limit of {limit}: lower the page size")]
    PageTooBig {
        /// Size of the page in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The page has more rows than [`super::DecodeLimits::page_rows`].
    #[error(
        "a page has more than {limit} rows, and Kombo sends fewer: check that the address is Kombo's"
    )]
    TooManyRows {
        /// The limit of rows.
        limit: usize,
    },
    /// The page nests deeper than [`super::DecodeLimits::depth`].
    #[error(
        "a page nests deeper than {limit} levels at byte {at}: check that the address is Kombo's"
    )]
    TooDeep {
        /// Position in the page, in bytes.
        at: usize,
        /// The limit of levels.
        limit: usize,
    },
    /// The text is not UTF-8.
    #[error(
        "a page is not UTF-8 text at byte {at}: check that the address is Kombo's and that no proxy answers in its place"
    )]
    NotUtf8 {
        /// Position in the page, in bytes.
        at: usize,
    },
    /// The text is not JSON, or ends too early.
    #[error("a page is not JSON: expected {expected} at byte {at} of {bytes}")]
    NotJson {
        /// Position in the page, in bytes.
        at: usize,
        /// Length of the page in bytes. Equal to `at` when the page is cut off.
        bytes: usize,
        /// What was expected at this position.
        expected: &'static str,
    },
    /// The text is JSON, but not a page of rows.
    #[error("the page is not the answer of a list endpoint: {problem}")]
    Envelope {
        /// The problem with the page.
        problem: &'static str,
    },
    /// Kombo answered with status 200 and an error in the body.
    #[error("Kombo answered with an error in the page: {}", code.as_deref().unwrap_or("no code"))]
    Kombo {
        /// Kombo's code, such as `PLATFORM.INPUT_INVALID`.
        code: Option<String>,
    },
    /// More than one row in a hundred has no usable id.
    #[error(
        "{without_id} of {rows} rows of a page have no usable id, more than one in a hundred: report the endpoint to Kombo"
    )]
    RowsWithoutId {
        /// Number of rows of the page.
        rows: u64,
        /// Number of rows without a usable id.
        without_id: u64,
    },
    /// A column of the batch would grow beyond 2 GiB.
    #[error(
        "a batch is full: take the batch before the next page, or lower the largest page size in bytes"
    )]
    BatchFull,
}

impl DecodeError {
    /// Returns whether the same request may bring a page that decodes. An answer may be cut off or damaged on its way.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NotUtf8 { .. } | Self::NotJson { .. })
    }
}
