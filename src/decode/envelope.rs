//! The JSON around the rows: `{"status":..,"data":{"next":..,"results":[..]}}`, with keys in any order.
//!
//! Unknown keys are skipped: live reads add `warnings`, and Kombo may add more keys. A page without its list of rows is
//! refused, and so is a page with a second `data`, `next` or list of rows. Otherwise such a page would look like the
//! last one.

use super::error::DecodeError;
use super::page_reader::PageReader;
use super::scan::{Scanner, Token};
use crate::ids::Cursor;

/// The greatest length of a code that is kept, in bytes. Kombo's codes look like `PLATFORM.INPUT_INVALID`. A longer
/// text is not a code and could be a row value.
const MAX_CODE_BYTES: usize = 100;

/// The envelope of one page while the page is read.
pub(super) struct PageEnvelope<'e, F> {
    results_key: &'e str,
    on_next: Option<F>,
    next: Option<Cursor>,
    data_seen: bool,
    results_seen: bool,
    failed: bool,
    code: Option<String>,
}

impl<'e, F: FnOnce(Option<Cursor>)> PageEnvelope<'e, F> {
    /// Expects the rows under `data.<results_key>`.
    pub(super) fn new(results_key: &'e str, on_next: F) -> Self {
        Self {
            results_key,
            on_next: Some(on_next),
            next: None,
            data_seen: false,
            results_seen: false,
            failed: false,
            code: None,
        }
    }

    /// Reads the complete page and calls `row` at the start of each row. Returns the cursor of the next page.
    pub(super) fn read<'a>(
        mut self,
        reader: &mut PageReader<'a>,
        mut row: impl FnMut(&mut PageReader<'a>) -> Result<(), DecodeError>,
    ) -> Result<Option<Cursor>, DecodeError> {
        if reader.scan.token()? != Token::Object {
            return problem("the answer is not an object");
        }
        reader.scan.enter()?;
        let mut first = true;
        while let Some(key) = reader.scan.key(&mut first)? {
            match (key.as_str(), reader.scan.token()?) {
                (Some("status"), Token::String) => {
                    self.failed |= reader.scan.string()?.as_str() == Some("error");
                }
                (Some("error"), Token::Object) => self.read_error(&mut reader.scan)?,
                (Some("data"), _) if self.data_seen => {
                    return problem("the answer has `data` twice");
                }
                (Some("data"), Token::Object) => {
                    self.data_seen = true;
                    self.read_data(reader, &mut row)?;
                }
                _ => {
                    reader.scan.skip()?;
                }
            }
        }
        reader.scan.end()?;
        if self.failed {
            return Err(DecodeError::Kombo { code: self.code });
        }
        if !self.results_seen {
            return problem("the answer has no list of rows");
        }
        if let Some(on_next) = self.on_next {
            on_next(None);
        }
        Ok(self.next)
    }

    fn read_data<'a>(
        &mut self,
        reader: &mut PageReader<'a>,
        row: &mut impl FnMut(&mut PageReader<'a>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        reader.scan.enter()?;
        let mut first = true;
        while let Some(key) = reader.scan.key(&mut first)? {
            match (key.as_str(), reader.scan.token()?) {
                (Some("next"), token) => self.read_next(&mut reader.scan, token)?,
                (Some(key), token) if key == self.results_key => {
                    if std::mem::replace(&mut self.results_seen, true) {
                        return problem("the answer has two lists of rows");
                    }
                    if token != Token::Array {
                        return problem("the rows are not a list");
                    }
                    reader.scan.enter()?;
                    let mut first = true;
                    while reader.scan.element(&mut first)? {
                        row(reader)?;
                    }
                }
                _ => {
                    reader.scan.skip()?;
                }
            }
        }
        Ok(())
    }

    fn read_next(&mut self, scan: &mut Scanner<'_>, token: Token) -> Result<(), DecodeError> {
        self.next = match token {
            Token::Null => {
                scan.literal("null")?;
                None
            }
            Token::String => match scan.string()?.as_str() {
                Some(text) => Cursor::from_next(text),
                None => return problem("`data.next` is not Unicode"),
            },
            _ => return problem("`data.next` is neither a string nor null"),
        };
        let Some(on_next) = self.on_next.take() else {
            return problem("the answer has `data.next` twice");
        };
        on_next(self.next.clone());
        Ok(())
    }

    fn read_error(&mut self, scan: &mut Scanner<'_>) -> Result<(), DecodeError> {
        scan.enter()?;
        let mut first = true;
        while let Some(key) = scan.key(&mut first)? {
            if key.as_str() == Some("code") && scan.token()? == Token::String {
                let code = scan.string()?;
                self.code = code
                    .as_str()
                    .filter(|code| is_code(code))
                    .map(str::to_owned);
            } else {
                scan.skip()?;
            }
        }
        Ok(())
    }
}

fn is_code(text: &str) -> bool {
    let is_code_byte = |byte: u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.'
    };
    text.len() <= MAX_CODE_BYTES && text.bytes().all(is_code_byte)
}

fn problem<T>(problem: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Envelope { problem })
}
