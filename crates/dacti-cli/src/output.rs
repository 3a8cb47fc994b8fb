//! What is printed: messages for people on standard error, results on standard output.

use core::fmt::Display;
use serde::Serialize;
use std::io::{self, BufWriter, StdoutLock, Write};

/// Standard output, buffered. Flush it: an error at the end would be lost otherwise.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

/// One JSON value on a line of its own.
pub(crate) fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// A message that the user has to see.
pub(crate) fn error(message: &dyn Display) {
    line("error: ", message);
}

/// A message about something that was left out or is odd.
pub(crate) fn warning(message: &dyn Display) {
    line("warning: ", message);
}

/// A message that is good to know.
pub(crate) fn note(message: &dyn Display) {
    line("", message);
}

fn line(prefix: &str, message: &dyn Display) {
    // Where standard error is gone there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "dacti: {prefix}{message}");
}

/// A path as it may be shown on a terminal: what could move the cursor is escaped.
pub(crate) fn printable(path: &str) -> String {
    let plain = |c: char| !c.is_control() && !is_bidi(c);
    if path.chars().all(plain) {
        return path.into();
    }
    path.chars().fold(String::new(), |mut shown, c| {
        if plain(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
        shown
    })
}

/// Characters that change the direction of text, and so what a path seems to be.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A length as people read it, exact below a kibibyte.
pub(crate) fn bytes(len: u64) -> String {
    indicatif::BinaryBytes(len).to_string()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_moves_the_cursor_is_escaped() {
        assert_eq!(printable("docs/ü.txt"), "docs/ü.txt");
        assert_eq!(printable("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }
}
