//! Faults of answers.
//!
//! A fault is not yet an error: another request cures most faults. Specification:
//! `docs/spec/dacti-http.md`, "Answers".

use core::fmt;
use daicon_core::Span;

/// Why an answer cannot be used, or why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// No connection was made.
    Unreachable,
    /// TLS failed: the client refused the server's certificate, or its version of the protocol.
    Tls,
    /// The connection ended before the answer did.
    Reset,
    /// The server was silent or slow for too long.
    Timeout,
    /// An answer with this status, without the wanted bytes.
    Status(u16),
    /// Status 416: according to the server, the file ends before the range.
    NotSatisfiable {
        /// The file's length, if the server reported it.
        len: Option<u64>,
    },
    /// Status 200: the whole file instead of the range.
    Whole {
        /// Its length, if the server reported it.
        len: Option<u64>,
    },
    /// Status 206 without a valid `Content-Range`, or in several parts.
    NoRange,
    /// Status 206 with a range that was not requested.
    OtherRange {
        /// The range of the answer.
        found: Span,
    },
    /// A body that is longer or shorter than the range of its answer.
    OtherLength {
        /// The length of the range.
        expected: u64,
        /// The length of the body, or a lower bound of it.
        found: u64,
    },
    /// An object whose length differs from the length of the wanted immutable object.
    OtherTotal {
        /// The length of the wanted object, in bytes.
        expected: u64,
        /// The length that the answer stated.
        found: u64,
    },
    /// The body ended without an error, but before the end of the range.
    Short {
        /// The absolute position at which it ended.
        at: u64,
    },
    /// A content coding, although the request accepted none.
    Encoded(Coding),
    /// The caller found the bytes wrong.
    Doubt(Doubt),
}

impl Fault {
    /// Returns whether an unfinished upload can explain the fault of a range that ends at `end`. If
    /// so, a later request may find the bytes.
    pub(crate) const fn may_be_upload(&self, end: u64) -> bool {
        match self {
            Self::NotSatisfiable { .. } | Self::Short { .. } | Self::Doubt(_) => true,
            Self::Whole { len: Some(len) } => *len < end,
            _ => false,
        }
    }
}

/// Why a caller considers bytes stale or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Doubt {
    /// The digest of the bytes does not match.
    Digest,
    /// The bytes contradict the format, or bytes that were read before.
    Contradiction,
    /// Bytes that must not be zero are zero.
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
    /// Another coding, or several.
    Other,
}

impl Coding {
    /// Reads the value of a `Content-Encoding` field. Returns `None` if the body is not encoded.
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
            Self::Digest => "bytes with a wrong digest",
            Self::Contradiction => "bytes that violate the format or contradict bytes read earlier",
            Self::Zeros => "zeros in place of content",
        })
    }
}

/// Writes the action of the server, as the end of a sentence that begins with "the server".
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("could not be reached"),
            Self::Tls => f.write_str("failed at TLS"),
            Self::Reset => f.write_str("broke off the connection"),
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
            Self::NoRange => f.write_str("answered 206 without a valid range"),
            Self::OtherRange { found } => write!(f, "answered with another range, {found}"),
            Self::OtherLength { expected, found } => {
                write!(f, "answered with {found} bytes for a range of {expected}")
            }
            Self::OtherTotal { expected, found } => {
                write!(f, "answered with an object of {found} bytes instead of {expected} bytes")
            }
            Self::Short { at } => write!(f, "ended its answer early, at {at:#x}"),
            Self::Encoded(coding) => {
                write!(f, "answered in {coding}, although only identity was accepted")
            }
            Self::Doubt(doubt) => write!(f, "sent {doubt}"),
        }
    }
}
