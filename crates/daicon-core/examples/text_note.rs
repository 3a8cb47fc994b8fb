//! Text notes: an example of a format that is built on `daicon-core`. A note holds one text.
//!
//! A note is a daicon file of the format [`FORMAT`]. It requires one component, the text component
//! of `docs/spec/daicon.md`, "An example component: text". Readers ignore other components and
//! other bytes.

use core::fmt;
use daicon_core::io::{Container, ReadError};
use daicon_core::{
    ErrorKind, Format, RegionLayout, Requirement, TableSpec, Uuid, Version, container_len,
    emit_container,
};
use std::io::{self, Read, Seek, Write};

/// The text component, in the version that [`write()`] writes. The specification defines its UUID,
/// and other formats may use the component as well.
pub const TEXT: Requirement<'static> =
    Requirement::new(Uuid::from_u128(0x37cb72a4_caab_440c_8b7c_869019ed348e), Version::new(0, 1));

/// The declaration of the format.
///
/// The UUID was generated at random for this format alone. Readers of version 1.0 read all versions
/// 1.x.
pub const FORMAT: Format<'static> = Format {
    requires: &[TEXT],
    ..Format::new(Uuid::from_u128(0x5544809d_1951_45fa_816e_31f03934912d), Version::new(1, 0))
};

/// The default for the maximum length of a text that [`read`] accepts, in bytes.
pub const TEXT_LEN_MAX: u64 = 1 << 20;

/// The reason why a note cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The container has a fault, or the file is not a note.
    #[error(transparent)]
    Container(#[from] daicon_core::Error),
    /// The text breaks a rule of the text component.
    #[error("text at {at:#x}: {fault} at its byte {offset}")]
    Text {
        /// The start of the text, as an absolute position.
        at: u64,
        /// The position of the fault, counted from the start of the text.
        offset: usize,
        /// The rule that the text breaks.
        fault: TextFault,
    },
    /// The text is longer than the caller's limit.
    #[error(
        "text at {at:#x}: {len} bytes, but the limit is {limit}: raise it if you trust the file"
    )]
    TooLong {
        /// The start of the text, as an absolute position.
        at: u64,
        /// Length of the text in bytes.
        len: u64,
        /// The caller's limit.
        limit: u64,
    },
    /// The text cannot be written, because readers would reject it.
    #[error("the text cannot be written: {0}")]
    Unwritable(Unwritable),
    /// The system could not read or write the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The rule of the text component that the text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextFault {
    /// The text has a zero byte.
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

/// The reason why a text cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unwritable {
    /// The text has a zero byte.
    #[error("it has a zero byte at {0}")]
    Nul(usize),
    /// The text is longer than the maximum that a region's 32-bit size field can state.
    #[error("it has {0} bytes, but a region must be shorter than 4 GiB")]
    TooLong(usize),
}

impl Error {
    /// Returns the kind of the error, so that callers can branch on it. Returns `None` for errors
    /// of the system.
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

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Container(error) => Self::Container(error),
            ReadError::Io(error) => Self::Io(error),
            error => Self::Io(io::Error::other(error)),
        }
    }
}

/// Writes a note that holds `text`.
///
/// # Errors
/// `Unwritable` before any byte is written; `Io`.
pub fn write(text: &str, out: &mut impl Write) -> Result<(), Error> {
    if let Some(at) = text.find('\0') {
        return Err(Error::Unwritable(Unwritable::Nul(at)));
    }
    let too_long = |_| Error::Unwritable(Unwritable::TooLong(text.len()));
    let region = RegionLayout::new(container_len(1), 0).place(text.len()).map_err(too_long)?;
    let components = [TEXT.with_region(region)];
    let table = TableSpec { components: &components, ..TableSpec::default() };
    let mut start = [0; container_len(1)];
    emit_container(&FORMAT.preamble(), &[table], &mut start)?;
    out.write_all(&start)?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Reads the text of a note. The text may have at most `text_len_max` bytes.
///
/// It reads the preamble, then tables until one has the text component, then the text.
///
/// # Errors
/// `Container`, `Text`, `TooLong`, `Io`.
pub fn read(source: &mut (impl Read + Seek), text_len_max: u64) -> Result<String, Error> {
    let mut note = Container::open(source, &FORMAT)?;
    let text = note.require(&TEXT)?;
    let span = text.span().map_err(Error::Container)?;
    match note.read_region(&text, text_len_max) {
        Err(ReadError::Container(error)) if error.kind() == ErrorKind::Limit => {
            Err(Error::TooLong { at: span.start, len: span.len(), limit: text_len_max })
        }
        Err(error) => Err(error.into()),
        Ok(bytes) => check_text(bytes, span.start),
    }
}

/// Checks the region's bytes, which start at `at`, and returns them as text.
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
    use super::{Error, FORMAT, TEXT, TEXT_LEN_MAX, Unwritable, read, write};
    use daicon_core::{ComponentSpec, ErrorKind, Region, TableSpec, Uuid, Version, emit_container};
    use std::io::Cursor;

    /// A note with the text "hi\n", written by hand from the tables of the specification.
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
        ComponentSpec::with_region(TEXT.id, version, Region::new(offset, size))
    }

    /// Returns the preamble and the first table of a note with these components. The tests can set
    /// an extension offset that the emitter would refuse.
    fn start(extension_at: u64, components: &[ComponentSpec]) -> Vec<u8> {
        let table = TableSpec { components, ..TableSpec::default() };
        let mut out = vec![0; 1000];
        let len = emit_container(&FORMAT.preamble(), &[table], &mut out).unwrap();
        out[36..44].copy_from_slice(&extension_at.to_le_bytes());
        out.truncate(len);
        out
    }

    /// Reads `file`, and compares the text, or the error's kind and message, with `expected`.
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
            the format requires it, but no table of the chain that starts at 0x1c lists it";
        check(&start(0, &[]), Err((ErrorKind::Unsupported, expected)));
        check(&start(0, &[OTHER]), Err((ErrorKind::Unsupported, expected)));
    }

    #[test]
    fn text_in_another_version_does_not_serve() {
        let expected = "component 37cb72a4-caab-440c-8b7c-869019ed348e at 0x50: \
            expected a version compatible with 0.1, found 0.2";
        let file = start(0, &[OTHER, text(Version::new(0, 2), 0, 0)]);
        check(&file, Err((ErrorKind::Unsupported, expected)));
        // The reader ignores an entry with an unknown version, and uses the entry with a known
        // version.
        let components = [text(Version::new(1, 0), 0, 8), text(TEXT.version, 1, 6)];
        check(&start(0, &components), Ok("daicon"));
    }

    #[test]
    fn a_newer_minor_version_is_read_and_a_newer_major_is_not() {
        let mut file = HI.to_vec();
        file[26] = 9;
        check(&file, Ok("hi\n"));
        file[24] = 2;
        let expected = "format header at 0x18: \
            version 2.9 of the format, but this reader supports 1.0: use a reader for 2.9";
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
        let mut file = start(1000, &[OTHER]);
        file.resize(1052, 0xaa);
        let components = [text(TEXT.version, 52, 5)];
        let table = TableSpec {
            at: 1000,
            region_base: 1000,
            components: &components,
            ..TableSpec::default()
        };
        table.emit(&mut file[1000..]).unwrap();
        file.extend(b"there, and more");
        check(&file, Ok("there"));
    }

    #[test]
    fn a_chain_is_not_followed_further_than_needed() {
        let mut file = start(u64::MAX, &[text(TEXT.version, 80, 2)]);
        file.extend(b"ok");
        check(&file, Ok("ok"));
        let lacking = start(u64::MAX, &[OTHER]);
        let expected = "table header at 0xffffffffffffffff: \
            needs 24 bytes, but the file ends at 0x50: the file is incomplete, so fetch it again";
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
        // The entry claims the maximum size of a region. The reader must not allocate more memory
        // than the file has bytes.
        let file = start(0, &[text(TEXT.version, 80, u32::MAX)]);
        let error = read(&mut Cursor::new(&file), u64::MAX).unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::Truncated));
    }
}
