//! Reads JSON token by token, from a page whose UTF-8 was checked once.
//!
//! The caller knows what should come next and asks for it, so only values that are kept are built. The scanner accepts
//! JSON by RFC 8259, and lone surrogate escapes, which JavaScript may send. The scanner counts the nesting, so no page
//! can exhaust the stack.

use super::error::DecodeError;
use super::hash::{self, ArrayHash, ObjectHash};
use super::text::JsonText;

/// A position to return to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    at: usize,
    depth: usize,
}

/// The kind of the next value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// A position in a JSON text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    max_depth: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, max_depth: usize) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            max_depth,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            at: self.at,
            depth: self.depth,
        }
    }

    pub(super) fn rewind(&mut self, mark: Mark) {
        self.at = mark.at;
        self.depth = mark.depth;
    }

    /// Returns the text from a mark up to the current position.
    pub(super) fn since(&self, mark: Mark) -> &'a str {
        &self.text[mark.at..self.at]
    }

    /// Skips white space and returns the kind of the next value.
    pub(super) fn token(&mut self) -> Result<Token, DecodeError> {
        self.space();
        match self.byte() {
            Some(b'"') => Ok(Token::String),
            Some(b'{') => Ok(Token::Object),
            Some(b'[') => Ok(Token::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number),
            Some(b't') => Ok(Token::True),
            Some(b'f') => Ok(Token::False),
            Some(b'n') => Ok(Token::Null),
            _ => self.expected("a value"),
        }
    }

    /// Enters the object or array that begins here.
    pub(super) fn enter(&mut self) -> Result<(), DecodeError> {
        if self.depth >= self.max_depth {
            return Err(DecodeError::TooDeep {
                at: self.at,
                limit: self.max_depth,
            });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Moves to the next member of an object and reads its key, or leaves the object.
    pub(super) fn key(&mut self, first: &mut bool) -> Result<Option<JsonText<'a>>, DecodeError> {
        if !self.separated(b'}', first, "a comma or the end of an object")? {
            return Ok(None);
        }
        if self.byte() != Some(b'"') {
            return self.expected("a key");
        }
        let key = self.string()?;
        self.space();
        if self.byte() != Some(b':') {
            return self.expected("a colon");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Moves to the value of the next member if its key and all signs before the value are exactly `,"key":`, without
    /// white space. The first member of an object has no comma.
    pub(super) fn skip_key(&mut self, sent: &str, first: &mut bool) -> bool {
        let sent = &sent.as_bytes()[usize::from(*first)..];
        let is_next = self.text.as_bytes()[self.at..].starts_with(sent);
        if is_next {
            self.at += sent.len();
            *first = false;
        }
        is_next
    }

    /// Moves to the next element of an array, or leaves the array.
    pub(super) fn element(&mut self, first: &mut bool) -> Result<bool, DecodeError> {
        self.separated(b']', first, "a comma or the end of an array")
    }

    /// Reads the string that begins here.
    pub(super) fn string(&mut self) -> Result<JsonText<'a>, DecodeError> {
        self.at += 1;
        let start = self.at;
        let mut plain = true;
        loop {
            self.at += plain_prefix(&self.text.as_bytes()[self.at..]);
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    self.escape()?;
                }
                Some(_) => return self.expected("an escape instead of a control character"),
                None => return self.expected("the end of a string"),
            }
        }
        let inside = &self.text[start..self.at];
        self.at += 1;
        Ok(if plain {
            JsonText::Plain(inside)
        } else {
            JsonText::resolve(inside)
        })
    }

    /// Reads the text of the number that begins here.
    pub(super) fn number(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    /// Reads `null`, `true` or `false`.
    pub(super) fn literal(&mut self, text: &'static str) -> Result<(), DecodeError> {
        if self.text.as_bytes()[self.at..].starts_with(text.as_bytes()) {
            self.at += text.len();
            Ok(())
        } else {
            self.expected(text)
        }
    }

    /// Skips one value of any kind and returns its hash. The depth limit ends the recursion.
    pub(super) fn skip(&mut self) -> Result<u64, DecodeError> {
        match self.token()? {
            Token::String => Ok(self.string()?.hash()),
            Token::Number => Ok(hash::number(self.number()?)),
            Token::Null => self.literal("null").map(|()| hash::literal("null")),
            Token::True => self.literal("true").map(|()| hash::literal("true")),
            Token::False => self.literal("false").map(|()| hash::literal("false")),
            Token::Array => {
                let (mut array, mut first) = (ArrayHash::default(), true);
                self.enter()?;
                while self.element(&mut first)? {
                    array.element(self.skip()?);
                }
                Ok(array.finish())
            }
            Token::Object => {
                let (mut object, mut first) = (ObjectHash::default(), true);
                self.enter()?;
                while let Some(key) = self.key(&mut first)? {
                    object.member(key.hash(), self.skip()?);
                }
                Ok(object.finish())
            }
        }
    }

    /// Skips one value and returns its text and its hash.
    pub(super) fn raw(&mut self) -> Result<(&'a str, u64), DecodeError> {
        self.space();
        let start = self.mark();
        let hash = self.skip()?;
        Ok((self.since(start), hash))
    }

    /// Checks that only white space follows.
    pub(super) fn end(&mut self) -> Result<(), DecodeError> {
        self.space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            self.expected("the end of the page")
        }
    }

    fn separated(
        &mut self,
        close: u8,
        first: &mut bool,
        what: &'static str,
    ) -> Result<bool, DecodeError> {
        self.space();
        let was_first = std::mem::take(first);
        match self.byte() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ if was_first => Ok(true),
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            _ => self.expected(what),
        }
    }

    fn escape(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        let digits = match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return self.expected("an escape"),
        };
        self.at += 1;
        for _ in 0..digits {
            if !self.byte().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                return self.expected("four hex digits");
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return self.expected("a digit");
        }
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, DecodeError> {
        Err(DecodeError::NotJson {
            at: self.at,
            bytes: self.text.len(),
            expected,
        })
    }
}

/// Returns how many bytes come before a quote, a backslash or a control character. Checks eight bytes at a time.
fn plain_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tail = bytes[at..].iter();
    at + tail
        .take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f))
        .count()
}

/// Sets the high bit of each byte that ends a plain run. A borrow may set the bit in higher bytes as well, so only the
/// lowest marked byte counts.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (zero(quote) | zero(backslash) | control) & HIGHS
}
