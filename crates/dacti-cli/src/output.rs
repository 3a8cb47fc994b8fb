//! What is printed: messages for people on standard error, results on standard output.

use crate::Talk;
use core::fmt::Display;
use dacti::Package;
use serde::Serialize;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

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

/// Messages of one kind that are shown. A hostile package has millions.
const SHOWN_MAX: usize = 100;

/// Many messages that the user has to see. The first are shown; `hint` says where the rest is.
pub(crate) fn errors<M: Display>(messages: impl Iterator<Item = M>, hint: &str) {
    lines("error: ", messages, hint);
}

/// Many messages about what is odd, as [`errors`].
pub(crate) fn warnings<M: Display>(messages: impl Iterator<Item = M>, hint: &str) {
    lines("warning: ", messages, hint);
}

/// Warns where lookup keys are of no use, so that regions were found by a scan of the index.
pub(crate) fn fences_fault(package: &Package, talk: Talk) {
    if talk >= Talk::Normal {
        let fault = package.view().fences_fault();
        warnings(fault.iter().map(|fault| format!("{fault} (the index is scanned instead)")), "");
    }
}

fn lines<M: Display>(prefix: &str, mut messages: impl Iterator<Item = M>, hint: &str) {
    let mut out = BufWriter::new(io::stderr().lock());
    // Where standard error is gone there is nobody to tell.
    for message in messages.by_ref().take(SHOWN_MAX) {
        let _ = writeln!(out, "dacti: {prefix}{}", printable(&message.to_string()));
    }
    match messages.count() {
        0 => {}
        more => drop(writeln!(out, "dacti: {prefix}and {more} more{hint}")),
    }
    let _ = out.flush();
}

/// A message that is good to know.
pub(crate) fn note(message: &dyn Display) {
    line("", message);
}

fn line(prefix: &str, message: &dyn Display) {
    // Where standard error is gone there is nobody to tell.
    let message = printable(&message.to_string());
    let _ = writeln!(io::stderr().lock(), "dacti: {prefix}{message}");
}

/// A text as it may be shown on a terminal: what could move the cursor or is not seen is escaped,
/// and then the backslash too, so that no name looks like another that was escaped.
///
/// What this gives it leaves as it is.
pub(crate) fn printable(text: &str) -> String {
    if text.chars().all(is_plain) {
        return text.into();
    }
    text.chars().fold(String::new(), |mut shown, c| {
        if is_plain(c) && c != '\\' {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
        shown
    })
}

/// A file's name, printable.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Whether a character is seen as what it is. `std` knows which are not: controls, format
/// characters such as those that change the direction of text, line separators, odd blanks, and
/// what Unicode has not assigned. Marks that combine with the letter before them are plain.
fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // In front of the text, where `str` escapes marks as well, stands a letter.
    let mut text = String::from('a');
    text.push(c);
    text.escape_debug().skip(1).eq([c])
}

/// A length as people read it, exact below a kibibyte.
pub(crate) fn bytes(len: u64) -> String {
    indicatif::BinaryBytes(len).to_string()
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = core::fmt::Write::write_fmt(&mut hex, format_args!("{byte:02x}"));
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_moves_the_cursor_is_escaped() {
        assert_eq!(printable("docs/ü.txt"), "docs/ü.txt");
        assert_eq!(printable("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        for c in [
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{feff}',
            '\u{e0041}',
            '\u{85}',
            '\u{9b}',
        ] {
            assert_eq!(printable(&format!("a{c}b")), format!("a{}b", c.escape_unicode()));
        }
    }

    #[test]
    fn letters_of_all_scripts_are_shown() {
        // With marks that no composed form has, and an emoji with its variation selector.
        for text in
            ["हिन्दी", "ภาษาไทย", "עברית", "日本語", "x\u{323}\u{307}", "\u{2764}\u{fe0f}", "'\"\\"]
        {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn what_is_escaped_is_not_mistaken_for_a_name() {
        assert_eq!(printable("back\\slash"), "back\\slash");
        assert_eq!(printable("a\\u{1b}\x1b"), "a\\\\u{1b}\\u{1b}");
        let once = printable("a\\\x1b");
        assert_eq!(printable(&once), once);
    }
}
