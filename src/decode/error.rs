//! Why a page could not be decoded, by what can be done about it.

/// A page that brings no rows. None of them quotes the page: positions and kinds only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Over [`super::DecodeLimits::page_bytes`].
    #[error(
        "a page of {bytes} bytes is over the limit of {limit}: ask for fewer rows with a smaller page size"
    )]
    PageTooBig {
        /// Its size.
        bytes: usize,
        /// What was allowed.
        limit: usize,
    },
    /// Over [`super::DecodeLimits::page_rows`].
    #[error(
        "a page has more than {limit} rows, more than Kombo serves: check that the address is Kombo's"
    )]
    TooManyRows {
        /// What was allowed.
        limit: usize,
    },
    /// Over [`super::DecodeLimits::depth`].
    #[error(
        "a page nests deeper than {limit} levels at byte {at}: check that the address is Kombo's"
    )]
    TooDeep {
        /// Position in the page.
        at: usize,
        /// What was allowed.
        limit: usize,
    },
    /// The text is not UTF-8.
    #[error(
        "a page is not UTF-8 text at byte {at}: check that the address is Kombo's and no proxy answers for it"
    )]
    NotUtf8 {
        /// Position in the page.
        at: usize,
    },
    /// The text is not JSON, or it stops early.
    #[error("a page is not JSON: expected {expected} at byte {at} of {bytes}")]
    NotJson {
        /// Position in the page.
        at: usize,
        /// Length of the page; `at` equals it when the page is cut off.
        bytes: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// JSON, but not a page of rows.
    #[error("a page is not the answer of a list endpoint: {problem}")]
    Envelope {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Kombo answered 200 with an error in the body.
    #[error("kombo answered with an error in the page: {}", code.as_deref().unwrap_or("no code"))]
    Kombo {
        /// Kombo's code, such as `PLATFORM.INPUT_INVALID`.
        code: Option<String>,
    },
    /// More than one row in a hundred has no id.
    #[error(
        "{without_id} of a page's {rows} rows have no usable id, over one in a hundred: report it to Kombo"
    )]
    RowsWithoutId {
        /// Rows of the page.
        rows: u64,
        /// Those without an id.
        without_id: u64,
    },
    /// A column of the batch would pass 2 GiB.
    #[error(
        "a batch is full: take it before the next page, or lower the limit on the size of pages"
    )]
    BatchFull,
}

impl DecodeError {
    /// Returns whether the same request may bring a page that decodes: an answer cut off or garbled on its way may.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NotUtf8 { .. } | Self::NotJson { .. })
    }
}
