//! Prints results on standard output, and messages for people on standard error.

use crate::Talk;
use core::fmt::Display;
use dacti::Package;
use dacti::fetch::Location;
use serde::Serialize;
use serde_json::ser::Formatter;
use std::borrow::Cow;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

/// Returns standard output, buffered. Callers flush it, because dropping it hides errors.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

/// Prints one JSON value on a line of its own. In texts, escapes characters that could move the
/// cursor or change the direction of text.
pub(crate) fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Escaped))?;
    out.write_all(b"\n")
}

/// Compact JSON in which every invisible character is escaped.
struct Escaped;

impl Formatter for Escaped {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| !is_plain(*c)) {
            let (plain, behind) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?;
            rest = behind.get(c.len_utf8()..).unwrap_or_default();
        }
        out.write_all(rest.as_bytes())
    }
}

/// Prints a message that `--quiet` does not suppress.
pub(crate) fn error(message: &dyn Display) {
    line("error: ", message);
}

/// Prints a message about something that was left out or looks odd.
pub(crate) fn warning(message: &dyn Display) {
    line("warning: ", message);
}

/// At most this many messages of one kind are printed. A hostile package can cause millions.
const SHOWN_MAX: usize = 100;

/// Prints the first of many errors. `hint` tells the user how to see the other errors.
pub(crate) fn errors<M: Display>(messages: impl Iterator<Item = M>, hint: &str) {
    lines("error: ", messages, hint);
}

/// Does the same as [`errors`], for warnings.
pub(crate) fn warnings<M: Display>(messages: impl Iterator<Item = M>, hint: &str) {
    lines("warning: ", messages, hint);
}

/// Warns if the fences are damaged: every look-up then scans the index.
pub(crate) fn fences_fault(package: &Package, talk: Talk) {
    if talk >= Talk::Normal {
        let fault = package.view().fences_fault();
        warnings(fault.iter().map(|fault| format!("{fault} (the index is scanned instead)")), "");
    }
}

fn lines<M: Display>(prefix: &str, mut messages: impl Iterator<Item = M>, hint: &str) {
    let mut out = BufWriter::new(io::stderr().lock());
    // If standard error is closed, messages are lost, because there is no other place for them.
    for message in messages.by_ref().take(SHOWN_MAX) {
        let _ = writeln!(out, "dacti: {prefix}{}", printable(&message.to_string()));
    }
    match messages.count() {
        0 => {}
        more => drop(writeln!(out, "dacti: {prefix}and {more} more{hint}")),
    }
    let _ = out.flush();
}

/// Prints a message that `--quiet` suppresses.
pub(crate) fn note(message: &dyn Display) {
    line("", message);
}

fn line(prefix: &str, message: &dyn Display) {
    // If standard error is closed, the message is lost.
    let message = message.to_string();
    let message = printable(&message);
    let _ = writeln!(io::stderr().lock(), "dacti: {prefix}{message}");
}

/// Returns a text that is safe on a terminal: invisible characters and characters that move the
/// cursor are escaped. If a character is escaped, backslashes are escaped as well, so that no two
/// names look the same.
///
/// A text that was made safe once stays the same if it is made safe again.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    // Most texts are ASCII, and bytes are checked faster than characters.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::new(), |mut shown, c| {
        if is_plain(c) && c != '\\' {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
        shown
    });
    Cow::Owned(escaped)
}

/// Returns the name of a file, or a URL without its secrets, safe to print on a terminal.
pub(crate) fn shown(path: &Path) -> String {
    printable(&place(path)).into_owned()
}

/// Returns the name of a file, or a URL without its secrets, with no character escaped.
pub(crate) fn place(path: &Path) -> String {
    Location::from(path).to_string()
}

/// Returns a text in quotes. If the text is a URL that was given in the wrong place, its secrets
/// are left out.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", Location::from(text).to_string())
}

/// Serializes a place for JSON.
pub(crate) fn serialize_place<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&place(path))
}

/// Returns whether a character is visible. `std` escapes the invisible characters: controls, format
/// characters (such as those that change the direction of text), line separators, unusual blanks,
/// and unassigned code points. A mark that combines with the letter before it is visible.
fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // `escape_debug` escapes a combining mark only at the start of a text. After a letter the mark
    // is visible, so a letter precedes the character here.
    let mut text = String::from('a');
    text.push(c);
    text.escape_debug().skip(1).eq([c])
}

/// Returns a length as people read it, exact below a kibibyte.
pub(crate) fn bytes(len: u64) -> String {
    indicatif::BinaryBytes(len).to_string()
}

/// Returns a count with its noun in the right number.
pub(crate) fn counted(count: impl Into<u64>, one: &str, many: &str) -> String {
    let count = count.into();
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Returns the end of a sentence about a new package: how many bytes shared stored bytes save.
pub(crate) fn saved_by_sharing(len: u64) -> String {
    match len {
        0 => String::new(),
        len => format!(", {} saved by storing equal contents once", bytes(len)),
    }
}

#[cfg(test)]
mod tests {
    use super::{json, printable};

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
    fn json_escapes_what_is_not_visible() {
        let text = "a\u{9b}b\u{202e}c\u{7f}d\u{e0041}e\u{fc}\n";
        let mut out = Vec::new();
        json(&mut out, &text).unwrap();
        let expected = "\"a\\u009bb\\u202ec\\u007fd\\udb40\\udc41e\u{fc}\\n\"\n";
        assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn letters_of_all_scripts_are_shown() {
        // These texts have letters with marks that have no composed form, and an emoji with its
        // variation selector.
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
