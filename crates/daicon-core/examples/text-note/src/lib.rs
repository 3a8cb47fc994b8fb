//! Text notes: a file format of one text, and all of what a format built on `daicon-core` takes.
//!
//! A note is a daicon file of the format [`FORMAT`], which requires one component, the text
//! component of `docs/spec/daicon.md`, "An example component: text". It refuses to know what else
//! a file holds: further components and further bytes are somebody else's, and are skipped.

use core::fmt;
use daicon_core::{
    COMPONENT_ENTRY_LEN, ComponentSpec, ErrorKind, Event, Format, PREAMBLE_LEN, PreambleSpec,
    Region, Requirement, Span, Structure, TABLE_HEADER_LEN, TableSpec, TableWalker, Version,
};
use std::io::{self, Read, Seek, SeekFrom, Write};
use uuid::Uuid;

/// The text component's UUID. It is the specification's own; another format may use it as well.
pub const TEXT_ID: Uuid = Uuid::from_u128(0x37cb72a4_caab_440c_8b7c_869019ed348e);
/// The version of the text component that notes are written with.
pub const TEXT_VERSION: Version = Version::new(0, 1);

/// The declaration of the format: who it is, and what it cannot do without.
///
/// The UUID was made at random for this format alone. Version 1.0 reads every 1.x that is to come.
pub const FORMAT: Format<'static> = Format {
    requires: &[Requirement::new(TEXT_ID, TEXT_VERSION)],
    ..Format::new(Uuid::from_u128(0x5544809d_1951_45fa_816e_31f03934912d), Version::new(1, 0))
};

/// Text that [`read`] takes where its caller has no better idea, in bytes.
pub const TEXT_LEN_MAX: u64 = 1 << 20;

/// Everything before the text: head, a table header and one entry.
const TEXT_AT: u8 = 80;
const _: () = assert!(TEXT_AT as u64 == PREAMBLE_LEN + TABLE_HEADER_LEN + COMPONENT_ENTRY_LEN);

/// Why a note cannot be read, or not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The container is at fault, or it is no note.
    #[error(transparent)]
    Container(#[from] daicon_core::Error),
    /// The text breaks a rule of the text component.
    #[error("text at {at:#x}: {fault} at its byte {offset}")]
    Text {
        /// Where the text starts, absolute.
        at: u64,
        /// Where in the text the fault is.
        offset: usize,
        /// The rule.
        fault: TextFault,
    },
    /// The text is longer than the caller allows.
    #[error(
        "text at {at:#x}: {len} bytes, {limit} allowed: raise the cap where the file is trusted"
    )]
    TooLong {
        /// Where the text starts, absolute.
        at: u64,
        /// How long it is, in bytes.
        len: u64,
        /// The caller's cap.
        limit: u64,
    },
    /// The text to be written is one that no reader would take.
    #[error("the text cannot be written: {0}")]
    Unwritable(Unwritable),
    /// The file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Which rule of the text component the bytes of a region break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextFault {
    /// There is a zero byte.
    Nul,
    /// The bytes are not UTF-8.
    NotUtf8,
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nul => "a zero byte",
            Self::NotUtf8 => "not UTF-8",
        })
    }
}

/// What a writer refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unwritable {
    /// The text holds a zero byte.
    #[error("it has a zero byte at {0}")]
    Nul(usize),
    /// The text is longer than the 32-bit size of a region can say.
    #[error("its {0} bytes do not fit a region, whose size has 32 bits")]
    TooLong(usize),
}

impl Error {
    /// What to branch on; `None` where the system failed and not the file.
    #[must_use]
    pub const fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Container(error) => Some(error.kind()),
            Self::Text { .. } => Some(ErrorKind::Corrupt),
            Self::TooLong { .. } => Some(ErrorKind::Limit),
            Self::Unwritable(_) => Some(ErrorKind::Misuse),
            Self::Io(_) => None,
        }
    }
}

/// Writes a note of `text`.
///
/// # Errors
/// `Unwritable`, before a byte is written, and `Io`.
pub fn write(text: &str, out: &mut impl Write) -> Result<(), Error> {
    if let Some(at) = text.find('\0') {
        return Err(Error::Unwritable(Unwritable::Nul(at)));
    }
    let size = u32::try_from(text.len())
        .map_err(|_| Error::Unwritable(Unwritable::TooLong(text.len())))?;
    let region = Region::new(u32::from(TEXT_AT), size);
    let component = ComponentSpec::with_region(TEXT_ID, TEXT_VERSION, region);
    let head = PreambleSpec { format: FORMAT.id, version: FORMAT.version };
    let table = TableSpec { components: &[component], ..TableSpec::default() };
    let mut start = [0; TEXT_AT as usize];
    daicon_core::emit_container(&head, &table, &mut start)?;
    out.write_all(&start)?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Reads the text of a note, of at most `text_len_max` bytes.
///
/// It reads the head, as many tables as it needs, and the text.
///
/// # Errors
/// `Container`, `Text`, `TooLong`, `Io`.
pub fn read(source: &mut (impl Read + Seek), text_len_max: u64) -> Result<String, Error> {
    let len = source.seek(SeekFrom::End(0))?;
    let mut walker: TableWalker = TableWalker::new(Some(len));
    // Once the requirements are met, the rest of the chain cannot change what was found.
    while !FORMAT.is_met(walker.components()) {
        let Some(span) = walker.want() else { break };
        let bytes = read_at(source, span, len)?;
        if let Some(Event::Preamble(header)) = walker.feed(&bytes)? {
            FORMAT.check_header(&header)?;
        }
    }
    FORMAT.check(walker.components())?;
    let missing = daicon_core::Error::MissingComponent { id: TEXT_ID, required: TEXT_VERSION };
    let text = walker.find(TEXT_ID, TEXT_VERSION).ok_or(missing)?.span_within(len)?;
    if text.len() > text_len_max {
        return Err(Error::TooLong { at: text.start, len: text.len(), limit: text_len_max });
    }
    let bytes = read_at(source, text, len)?;
    let end = text.start.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    if end < text.end {
        // The file has become shorter since its length was asked for.
        let (what, at, needed) = (Structure::ComponentRegion, text.start, text.len());
        return Err(daicon_core::Error::Truncated { what, at, needed, end }.into());
    }
    check_text(bytes, text.start)
}

/// The bytes of `span`, or as many of them as there are: what a walker takes for the file's end.
///
/// Nothing is reserved for bytes that are not there, and a position past the end is not sought:
/// systems differ in what they make of it.
fn read_at(source: &mut (impl Read + Seek), span: Span, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if !span.is_empty() && span.start < len {
        source.seek(SeekFrom::Start(span.start))?;
        source.take(span.len()).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Takes the region's bytes, which start at `at`, for text.
fn check_text(bytes: Vec<u8>, at: u64) -> Result<String, Error> {
    if let Some(offset) = bytes.iter().position(|byte| *byte == 0) {
        return Err(Error::Text { at, offset, fault: TextFault::Nul });
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Error::Text { at, offset, fault: TextFault::NotUtf8 }
    })
}

#[cfg(test)]
mod tests {
    use super::{Error, FORMAT, TEXT_ID, TEXT_LEN_MAX, TEXT_VERSION, Unwritable, read, write};
    use daicon_core::{
        ComponentSpec, ErrorKind, PreambleSpec, Region, TableSpec, Version, emit_container,
    };
    use std::io::Cursor;
    use uuid::Uuid;

    /// A note of "hi\n", by hand from the tables of the specification.
    const HI: &[u8; 83] = b"\xffdaicon0\
        \x9d\x80\x44\x55\x51\x19\xfa\x45\x81\x6e\x31\xf0\x39\x34\x91\x2d\x01\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\
        \xa4\x72\xcb\x37\xab\xca\x0c\x44\x8b\x7c\x86\x90\x19\xed\x34\x8e\0\0\x01\0\
        \x50\0\0\0\x03\0\0\0\
        hi\n";

    const OTHER: ComponentSpec =
        ComponentSpec::with_data(Uuid::from_u128(7), Version::new(3, 1), *b"anything");

    fn written(text: &str) -> Vec<u8> {
        let mut file = Vec::new();
        write(text, &mut file).unwrap();
        file
    }

    fn text(version: Version, offset: u32, size: u32) -> ComponentSpec {
        ComponentSpec::with_region(TEXT_ID, version, Region::new(offset, size))
    }

    /// The head and first table of a note with these components.
    fn head(extension_at: u64, components: &[ComponentSpec]) -> Vec<u8> {
        let head = PreambleSpec { format: FORMAT.id, version: FORMAT.version };
        let table = TableSpec { extension_at, components, ..TableSpec::default() };
        let mut out = vec![0; 1000];
        let len = emit_container(&head, &table, &mut out).unwrap();
        out.truncate(len);
        out
    }

    /// Reads `file`, and shows an error by its kind and its text.
    #[track_caller]
    fn check(file: &[u8], expected: Result<&str, (ErrorKind, &str)>) {
        let found = read(&mut Cursor::new(file), TEXT_LEN_MAX);
        let found = found.map_err(|error| (error.kind().unwrap(), error.to_string()));
        let expected = expected.map(str::to_owned);
        assert_eq!(found, expected.map_err(|(kind, text)| (kind, text.to_owned())));
    }

    #[test]
    fn a_note_is_80_bytes_and_its_text() {
        assert_eq!(written("hi\n"), HI);
        check(HI, Ok("hi\n"));
    }

    #[test]
    fn an_empty_text_is_a_note() {
        let file = written("");
        assert_eq!(file.len(), 80);
        check(&file, Ok(""));
    }

    #[test]
    fn a_zero_byte_is_refused_on_either_side() {
        // spec: R-REG-07
        let error = write("a\0b", &mut Vec::new()).unwrap_err();
        assert!(matches!(error, Error::Unwritable(Unwritable::Nul(1))), "{error}");
        let mut file = written("a.b");
        file[81] = 0;
        check(&file, Err((ErrorKind::Corrupt, "text at 0x50: a zero byte at its byte 1")));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        // spec: R-REG-07
        let mut file = written("caf\u{e9}");
        file.truncate(84);
        file[76] = 4;
        check(&file, Err((ErrorKind::Corrupt, "text at 0x50: not UTF-8 at its byte 3")));
    }

    #[test]
    fn a_file_without_text_is_no_note() {
        let expected = "component 37cb72a4-caab-440c-8b7c-869019ed348e 0.1: \
            required by the format, but no table from 0x1c on has it";
        check(&head(0, &[]), Err((ErrorKind::Unsupported, expected)));
        check(&head(0, &[OTHER]), Err((ErrorKind::Unsupported, expected)));
    }

    #[test]
    fn text_in_another_version_does_not_serve() {
        let expected = "component 37cb72a4-caab-440c-8b7c-869019ed348e at 0x50: \
            version 0.2 does not serve a reader of 0.1";
        let file = head(0, &[OTHER, text(Version::new(0, 2), 0, 0)]);
        check(&file, Err((ErrorKind::Unsupported, expected)));
        // Beside one that serves, it is somebody else's.
        let components = [text(Version::new(1, 0), 0, 8), text(TEXT_VERSION, 1, 6)];
        check(&head(0, &components), Ok("daicon"));
    }

    #[test]
    fn a_newer_minor_version_is_read_and_a_newer_major_is_not() {
        let mut file = HI.to_vec();
        file[26] = 9;
        check(&file, Ok("hi\n"));
        file[24] = 2;
        let expected = "format header at 0x18: \
            version 2.9 cannot be read by a reader of 1.0: a reader for it is needed";
        check(&file, Err((ErrorKind::Unsupported, expected)));
    }

    #[test]
    fn another_format_is_refused_though_it_has_text() {
        let mut file = HI.to_vec();
        file[8] ^= 1;
        let expected = "format header at 0x8: expected format \
            5544809d-1951-45fa-816e-31f03934912d, found 5544809c-1951-45fa-816e-31f03934912d";
        check(&file, Err((ErrorKind::Unsupported, expected)));
    }

    #[test]
    fn the_text_may_stand_in_an_extension_table() {
        let mut file = head(1000, &[OTHER]);
        file.resize(1052, 0xaa);
        let components = [text(TEXT_VERSION, 52, 5)];
        let table =
            TableSpec { region_base: 1000, components: &components, ..TableSpec::default() };
        table.emit(&mut file[1000..]).unwrap();
        file.extend(b"there, and more");
        check(&file, Ok("there"));
    }

    #[test]
    fn a_chain_is_not_followed_further_than_needed() {
        let mut file = head(u64::MAX, &[text(TEXT_VERSION, 80, 2)]);
        file.extend(b"ok");
        check(&file, Ok("ok"));
        let lacking = head(u64::MAX, &[OTHER]);
        let expected = "table header at 0xffffffffffffffff: \
            needs 24 bytes, but the file ends at 0x50: fetch it again or pack it anew";
        check(&lacking, Err((ErrorKind::Truncated, expected)));
    }

    #[test]
    fn a_note_cut_anywhere_is_truncated() {
        for len in 0..HI.len() {
            let error = read(&mut Cursor::new(&HI[..len]), TEXT_LEN_MAX).unwrap_err();
            assert_eq!(error.kind(), Some(ErrorKind::Truncated), "{len}: {error}");
        }
    }

    #[test]
    fn text_past_the_cap_is_not_read() {
        assert_eq!(read(&mut Cursor::new(HI), 3).unwrap(), "hi\n");
        let error = read(&mut Cursor::new(HI), 2).unwrap_err();
        assert!(matches!(error, Error::TooLong { at: 80, len: 3, limit: 2 }), "{error}");
        // The largest size that an entry can name costs nothing where the bytes are not there.
        let file = head(0, &[text(TEXT_VERSION, 80, u32::MAX)]);
        let error = read(&mut Cursor::new(&file), u64::MAX).unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::Truncated));
    }
}
