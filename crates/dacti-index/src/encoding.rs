//! The encoding of a region's stored bytes, as a tag.
//!
//! Unknown tags are kept. A region of an unknown encoding can be listed and read as stored, but not
//! decoded.
//! Specification: `docs/spec/dacti-index.md`, "Encodings".

use core::fmt;

/// An encoding: four bytes of UTF-8, padded with nulls.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Encoding([u8; 4]);

impl Encoding {
    /// The stored bytes are the content.
    pub const NONE: Self = Self(*b"none");
    /// The stored bytes are one brotli stream.
    pub const BROTLI: Self = Self(*b"brot");
    /// The stored bytes are one brotli stream that also refers to the package's dictionary.
    pub const BROTLI_DICTIONARY: Self = Self(*b"brod");
    /// The group lists removals: the package does not have the regions with the ids of its entries.
    pub const GONE: Self = Self(*b"gone");

    /// Creates an encoding of any tag, known or not.
    #[must_use]
    pub const fn from_tag(tag: [u8; 4]) -> Self {
        Self(tag)
    }

    /// Returns whether content of this encoding needs the package's dictionary.
    #[must_use]
    pub const fn needs_dictionary(self) -> bool {
        matches!(self, Self::BROTLI_DICTIONARY)
    }

    /// Returns the tag as it lies in the file.
    #[must_use]
    pub const fn tag(self) -> [u8; 4] {
        self.0
    }

    /// Returns the tag as text without its padding; `None` if it is not UTF-8.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let text = core::str::from_utf8(&self.0).ok()?;
        Some(text.trim_end_matches('\0'))
    }
}

impl fmt::Display for Encoding {
    /// Writes the tag's text without its padding, if it is visible ASCII. Otherwise escapes the
    /// four bytes, because other characters could change what a terminal shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) if name.bytes().all(|byte| byte.is_ascii_graphic()) => f.pad(name),
            _ => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoding({})", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::Encoding;
    use std::string::ToString;

    #[track_caller]
    fn check(tag: [u8; 4], name: Option<&str>, shown: &str) {
        let encoding = Encoding::from_tag(tag);
        assert_eq!((encoding.name(), encoding.to_string().as_str()), (name, shown));
    }

    #[test]
    fn tags_are_text_padded_with_nulls() {
        check(*b"none", Some("none"), "none");
        check(*b"gz\0\0", Some("gz"), "gz");
        check(*b"\xff\0zz", None, "\\xff\\x00zz");
        check(*b"\xe2\x80\xaex", Some("\u{202e}x"), "\\xe2\\x80\\xaex");
        check(*b"a b\0", Some("a b"), "a b\\x00");
        check(*b"\x1b[2J", Some("\x1b[2J"), "\\x1b[2J");
    }
}
