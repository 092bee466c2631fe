//! The content of a JSON string, and how content is written as JSON again.

use super::hash;

/// The content of a string.
pub(super) enum JsonText<'a> {
    /// The content is the text of the page.
    Plain(&'a str),
    /// The content has resolved escapes.
    Escaped(String),
    /// The content has resolved escapes, and some of them are lone surrogates. The bytes are WTF-8, which no UTF-8
    /// column can hold.
    Lone(Vec<u8>),
}

impl<'a> JsonText<'a> {
    /// Resolves the escapes of a string that the scanner has accepted.
    pub(super) fn resolve(inside: &'a str) -> Self {
        let mut content = Vec::with_capacity(inside.len());
        let mut rest = inside.as_bytes();
        while let Some(backslash) = rest.iter().position(|byte| *byte == b'\\') {
            content.extend_from_slice(&rest[..backslash]);
            let escape = rest.get(backslash + 1).copied().unwrap_or(b'\\');
            rest = rest.get(backslash + 2..).unwrap_or_default();
            match escape {
                b'b' => content.push(0x08),
                b'f' => content.push(0x0c),
                b'n' => content.push(b'\n'),
                b'r' => content.push(b'\r'),
                b't' => content.push(b'\t'),
                b'u' => rest = resolve_unit(&mut content, rest),
                itself => content.push(itself),
            }
        }
        content.extend_from_slice(rest);
        match String::from_utf8(content) {
            Ok(text) => Self::Escaped(text),
            Err(error) => Self::Lone(error.into_bytes()),
        }
    }

    /// Returns the content if it is Unicode.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Escaped(text) => Some(text),
            Self::Lone(_) => None,
        }
    }

    /// Returns the content as WTF-8.
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Plain(text) => text.as_bytes(),
            Self::Escaped(text) => text.as_bytes(),
            Self::Lone(bytes) => bytes,
        }
    }

    pub(super) fn hash(&self) -> u64 {
        hash::string(self.as_bytes())
    }
}

/// Appends WTF-8 content to a JSON string in its shortest form. Lone surrogates become escapes.
pub(super) fn push_json(out: &mut String, mut content: &[u8]) {
    loop {
        let valid = match std::str::from_utf8(content) {
            Ok(text) => return push_unicode(out, text),
            Err(error) => error.valid_up_to(),
        };
        let (text, surrogate) = content.split_at(valid);
        push_unicode(out, std::str::from_utf8(text).unwrap_or_default());
        // In WTF-8 only a surrogate is not UTF-8: three bytes with 4, 6 and 6 bits.
        let unit = surrogate
            .iter()
            .take(3)
            .fold(0, |unit, byte| (unit << 6) | u32::from(byte & 0x3f));
        push_escape(out, unit & 0xffff);
        content = surrogate.get(3..).unwrap_or_default();
    }
}

fn push_unicode(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' => push_escape(out, u32::from(character)),
            other => out.push(other),
        }
    }
}

fn push_escape(out: &mut String, unit: u32) {
    out.push_str("\\u");
    for shift in [12, 8, 4, 0] {
        out.push(char::from_digit((unit >> shift) & 0xf, 16).expect("four bits are a hex digit"));
    }
}

/// Resolves `XXXX` and, after a high surrogate, the `\uXXXX` that completes it. Returns the remaining bytes.
fn resolve_unit<'a>(content: &mut Vec<u8>, rest: &'a [u8]) -> &'a [u8] {
    let unit = hex(rest);
    let after = rest.get(4..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&unit) && after.starts_with(b"\\u") {
        let low = hex(&after[2..]);
        if (0xdc00..0xe000).contains(&low) {
            push_code(content, 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
            return after.get(6..).unwrap_or_default();
        }
    }
    push_code(content, unit);
    after
}

fn hex(digits: &[u8]) -> u32 {
    digits.iter().take(4).fold(0, |value, digit| {
        (value << 4) | char::from(*digit).to_digit(16).unwrap_or(0)
    })
}

/// Appends a code point. A surrogate is encoded by the same rule as other code points, which makes the content WTF-8.
fn push_code(content: &mut Vec<u8>, code: u32) {
    if let Some(character) = char::from_u32(code) {
        content.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let bits = |shift: u32, mask: u32| u8::try_from((code >> shift) & mask).unwrap_or_default();
        content.extend_from_slice(&[
            0xe0 | bits(12, 0xf),
            0x80 | bits(6, 0x3f),
            0x80 | bits(0, 0x3f),
        ]);
    }
}
