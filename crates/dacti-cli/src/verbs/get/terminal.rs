//! Passes only text to a terminal, piece by piece.

/// The maximum number of bytes that are held back for the next piece: a character of four bytes
/// without its last byte.
const CUT_MAX: usize = 3;

/// The error for bytes that are not text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Binary;

/// A filter that passes text and refuses other bytes.
#[derive(Debug, Default)]
pub(super) struct TextOnly {
    held: Vec<u8>,
}

impl TextOnly {
    /// Returns the text of a piece, with the bytes before it that were held back. If the piece ends
    /// with an incomplete character or a carriage return, this part is held back in turn.
    pub(super) fn pass(&mut self, piece: &[u8]) -> Result<Vec<u8>, Binary> {
        let mut bytes = core::mem::take(&mut self.held);
        bytes.extend_from_slice(piece);
        let mut len = match core::str::from_utf8(&bytes) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(Binary),
        };
        if len == bytes.len() && bytes.ends_with(b"\r") {
            len = len.saturating_sub(1);
        }
        self.held = bytes.split_off(len);
        debug_assert!(self.held.len() <= CUT_MAX, "only a cut character is held");
        if is_text(&bytes, &self.held) { Ok(bytes) } else { Err(Binary) }
    }

    /// Checks that no incomplete text is held back.
    pub(super) fn end(&self) -> Result<(), Binary> {
        if self.held.is_empty() { Ok(()) } else { Err(Binary) }
    }
}

/// Returns whether bytes may be shown. The bytes must be UTF-8. They must not have characters that
/// change the direction of text, or control characters except tabs and line ends. A carriage return
/// needs a line feed after it, because otherwise it could overwrite the line.
fn is_text(bytes: &[u8], next: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else { return false };
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let good = match c {
            '\n' | '\t' => true,
            '\r' => match chars.peek() {
                Some(after) => *after == '\n',
                // The carriage return is the last of `bytes`, and `next` holds the bytes after it.
                // If there are any, they do not begin with a line feed.
                None => next.is_empty(),
            },
            c => !c.is_control() && !turns_text(c),
        };
        if !good {
            return false;
        }
    }
    true
}

/// Returns whether a character turns the direction of text.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{Binary, TextOnly};

    /// Passes the bytes in pieces of each length. All lengths must give the same result.
    #[track_caller]
    fn check(bytes: &[u8], text: bool) {
        for len in 1..=bytes.len().max(1) {
            let (mut only, mut shown) = (TextOnly::default(), Vec::new());
            let passed = bytes
                .chunks(len)
                .try_for_each(|piece| only.pass(piece).map(|text| shown.extend(text)));
            let ended = passed.and_then(|()| only.end());
            assert_eq!(ended, if text { Ok(()) } else { Err(Binary) }, "{bytes:?} by {len}");
            assert!(!text || shown == bytes, "{bytes:?} by {len}");
            assert!(!shown.contains(&0x1b), "{bytes:?} by {len}");
        }
    }

    #[test]
    fn terminals_get_text_only() {
        check("plain ü\n\tlines\r\n日本語 \u{1f600}\r\n".as_bytes(), true);
        check(b"", true);
        check(b"nul\0", false);
        check(b"\xff\xfe", false);
        check(b"text before \x1b[2J", false);
        check("turned \u{202e}".as_bytes(), false);
        check("isolated \u{2067}".as_bytes(), false);
        check("c1 \u{9b}".as_bytes(), false);
        check(b"written\rover", false);
        check("written\rüber".as_bytes(), false);
        check(b"\r\r\n", false);
        check(b"at the end\r", false);
        check("cut ü".as_bytes().split_last().unwrap().1, false);
    }
}
