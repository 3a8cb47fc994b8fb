//! What was wrong with an answer.
//!
//! A fault is not yet an error: most are cured by asking again. Specification:
//! `docs/spec/dacti-http.md`, "Answers".

use core::fmt;
use daicon_core::Span;

/// Why an answer, or the lack of one, did not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// No connection was made.
    Unreachable,
    /// The connection ended before the answer did.
    Reset,
    /// The server was silent, or slow, for too long.
    Timeout,
    /// A status that does not answer the question.
    Status(u16),
    /// 416: the server says that the file ends before the range.
    NotSatisfiable {
        /// The file's length, where it was told.
        len: Option<u64>,
    },
    /// 200: the whole file instead of the range.
    Whole {
        /// Its length, where it was told.
        len: Option<u64>,
    },
    /// 206 without a `Content-Range` that can be read, or in several parts.
    NoRange,
    /// 206 with another range than was asked for.
    OtherRange {
        /// The range that the answer has.
        found: Span,
    },
    /// A body that is longer or shorter than the answer's own range.
    OtherLength {
        /// Bytes by its range.
        expected: u64,
        /// Bytes by its length, or so many at least.
        found: u64,
    },
    /// The body ended, in good order, before the range did.
    Short {
        /// Where it ended, absolute.
        at: u64,
    },
    /// A content coding, though none was accepted.
    Encoded(Coding),
    /// The caller found the bytes wrong.
    Doubt(Doubt),
}

/// Why a caller takes the bytes that it got for stale or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Doubt {
    /// They do not have the digest that they should.
    Digest,
    /// They contradict what was read before.
    Contradiction,
    /// They are zero where something must be.
    Zeros,
}

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coding {
    /// `gzip`
    Gzip,
    /// `deflate`
    Deflate,
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
    /// Any other, or several.
    Other,
}

impl Coding {
    /// The coding of a `Content-Encoding`; `None` where that changes nothing.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        if value.is_empty() || is("identity") {
            return None;
        }
        Some(match () {
            () if is("gzip") || is("x-gzip") => Self::Gzip,
            () if is("deflate") => Self::Deflate,
            () if is("br") => Self::Brotli,
            () if is("zstd") => Self::Zstd,
            () => Self::Other,
        })
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Other => "an unknown coding",
        })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digest => "bytes whose digest does not fit",
            Self::Contradiction => "bytes that contradict what was read before",
            Self::Zeros => "zeros where something must be",
        })
    }
}

/// What the server did, as the end of "the server …".
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("could not be reached"),
            Self::Reset => f.write_str("broke the connection off"),
            Self::Timeout => f.write_str("took too long"),
            Self::Status(status) => write!(f, "answered with status {status}"),
            Self::NotSatisfiable { len: Some(len) } => {
                write!(f, "answered 416, as if the file ended at {len:#x}")
            }
            Self::NotSatisfiable { len: None } => f.write_str("answered 416"),
            Self::Whole { len: Some(len) } => {
                write!(f, "answered 200 with a whole file of {len} bytes")
            }
            Self::Whole { len: None } => f.write_str("answered 200 with a whole file"),
            Self::NoRange => f.write_str("answered 206 without one range that can be read"),
            Self::OtherRange { found } => write!(f, "answered with another range, {found}"),
            Self::OtherLength { expected, found } => {
                write!(f, "answered with {found} bytes for a range of {expected}")
            }
            Self::Short { at } => write!(f, "ended its answer early, at {at:#x}"),
            Self::Encoded(coding) => {
                write!(f, "answered in {coding}, though only identity was accepted")
            }
            Self::Doubt(doubt) => write!(f, "sent {doubt}"),
        }
    }
}
