//! The errors of fetches. Their messages also say what to do.
//!
//! Errors hold no text and no boxes. The caller keeps the messages of its network library.
//! [`Error::kind`] is for programs, `Display` for people.

use crate::fault::{Coding, Fault};
use core::fmt;
use daicon_core::Span;

/// The kind of an error, for programs that branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A cache lacks bytes that a newer head refers to, or has wrong bytes in their place.
    Stale,
    /// Another file is at the URL now.
    Replaced,
    /// There is no file at the URL.
    NotFound,
    /// The server refuses access.
    Denied,
    /// The server lacks a feature that reading needs.
    Unsupported,
    /// The server did not answer, or could not serve the request at the moment.
    Unavailable,
    /// The session's budget is spent.
    Limit,
    /// A mistake of the caller.
    Misuse,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => "stale",
            Self::Replaced => "replaced",
            Self::NotFound => "not found",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Limit => "limit",
            Self::Misuse => "misuse",
        })
    }
}

/// A mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A function of a fetch was called in the wrong order, or after the fetch had failed.
    #[error("a method of a fetch was called at the wrong time: first do what `want` returns")]
    OutOfTurn,
}

/// Why a fetch failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer had the right bytes, with or without tags.
    #[error(
        "bytes {span}: the server {fault}, {}: {}",
        if *.tags { "even with ?g= in the URL" } else { "and ?g= cannot be added to this URL" },
        advice(*.fault)
    )]
    Stale {
        /// The wanted bytes, absolute.
        span: Span,
        /// The last fault.
        fault: Fault,
        /// Whether tags were tried.
        tags: bool,
    },
    /// The server answers every range with the whole file.
    #[error(
        "bytes {span}: the server sends only whole files{}: enable ranges there, or allow reading \
         the whole file", Length(*.len)
    )]
    NoRanges {
        /// The wanted bytes, absolute.
        span: Span,
        /// The file's length, if the server reported it.
        len: Option<u64>,
    },
    /// The server compresses its answers, so their ranges are not ranges of the file.
    #[error(
        "bytes {span}: the server sends {coding}, although only identity was accepted: disable \
         compression for packages there"
    )]
    Encoded {
        /// The wanted bytes, absolute.
        span: Span,
        /// The coding.
        coding: Coding,
    },
    /// The server did not serve the request in any of several tries.
    #[error(
        "bytes {span}: the server {fault} in the last of {requests} tries{}: {}",
        if *.tags { ", even with ?g= in the URL" } else { "" },
        remedy(*.fault)
    )]
    Unavailable {
        /// The wanted bytes, absolute.
        span: Span,
        /// The last fault.
        fault: Fault,
        /// Requests sent.
        requests: u32,
        /// Whether tags were tried.
        tags: bool,
    },
    /// The server asks for a longer wait than the session allows.
    #[error("the server answered with status {status}: try again in {secs} s, as it asks")]
    Busy {
        /// The status.
        status: u16,
        /// The wait, in seconds.
        secs: u64,
    },
    /// There is no file at the URL.
    #[error("the server answered with status {status}: check the URL")]
    NotFound {
        /// The status.
        status: u16,
    },
    /// The server refuses access.
    #[error("the server answered with status {status}: check the URL and its credentials")]
    Denied {
        /// The status.
        status: u16,
    },
    /// The redirects do not lead to a file.
    #[error(
        "the server answered with status {status}: the redirects lead nowhere, or in a circle: \
         give the final URL"
    )]
    Redirects {
        /// The status.
        status: u16,
    },
    /// An answer with a status that no retry would change.
    #[error(
        "the server answered a plain range request with status {status}: ask the server's owner"
    )]
    Refused {
        /// The status.
        status: u16,
    },
    /// Another file is at the URL now.
    #[error(
        "another file is at this URL now: expected file id {:032x}, found {:032x}: open the URL \
         again; give each file its own URL", u128::from_be_bytes(*.expected),
        u128::from_be_bytes(*.found)
    )]
    Replaced {
        /// The file id of the session.
        expected: [u8; 16],
        /// The file id now.
        found: [u8; 16],
    },
    /// The file at the URL cannot be read as the session's file any more.
    #[error("the file at this URL is no longer the package that was opened: open the URL again")]
    Unreadable,
    /// A request would take more bytes than the budget has left.
    #[error(
        "the next request needs {needed} bytes, but only {left} of the budget of {max} are left: \
         raise the budget, or ask for less"
    )]
    BytesSpent {
        /// Bytes that the request needs.
        needed: u64,
        /// Bytes left.
        left: u64,
        /// The budget.
        max: u64,
    },
    /// The budget has no request left.
    #[error("the budget of {max} requests is spent: raise it, or ask for less")]
    RequestsSpent {
        /// The budget.
        max: u64,
    },
    /// A mistake of the caller.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48);

/// Returns the advice of a `Stale` error.
const fn advice(fault: Fault) -> &'static str {
    match fault {
        Fault::Doubt(_) => {
            "the file is damaged there, a cache on the way is stale, or an upload is in progress: \
             verify the file at its origin, and make the query string part of the cache's key"
        }
        Fault::NotSatisfiable { .. } | Fault::Short { .. } | Fault::Whole { .. } => {
            "the file is cut short there, a cache on the way is stale, or an upload is in \
             progress: make the query string part of the cache's key, and configure the cache not \
             to keep a 416 and not to compare validators between slices"
        }
        Fault::OtherTotal { .. } => {
            "another object, or an error page, is at the URL of a part: publish the part again, or \
             purge the cache on the way"
        }
        _ => "repair how the server, or the cache on the way, answers requests for ranges",
    }
}

/// Returns the advice of an `Unavailable` error.
const fn remedy(fault: Fault) -> &'static str {
    match fault {
        Fault::Tls => {
            "check the host name and the scheme of the URL, the server's certificate, and this \
             machine's clock"
        }
        Fault::Unreachable => "check the host name, the port and the network",
        Fault::Status(500..) | Fault::Reset => {
            "try again later; if the fault stays, configure the cache on the way not to compare \
             validators between slices: the comparison fails if slices come from two states of \
             the file"
        }
        _ => "try again later, or allow more time",
    }
}

struct Length(Option<u64>);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |len| write!(f, " (this file has {len} bytes)"))
    }
}

impl Error {
    /// Returns the kind, to branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Stale { .. } => ErrorKind::Stale,
            Self::NoRanges { .. } | Self::Encoded { .. } => ErrorKind::Unsupported,
            Self::Unavailable { .. } | Self::Busy { .. } => ErrorKind::Unavailable,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Denied { .. } | Self::Refused { .. } | Self::Redirects { .. } => {
                ErrorKind::Denied
            }
            Self::Replaced { .. } | Self::Unreadable => ErrorKind::Replaced,
            Self::BytesSpent { .. } | Self::RequestsSpent { .. } => ErrorKind::Limit,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// Returns the absolute file offset concerned; `None` if the error is not about bytes.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::Stale { span, .. }
            | Self::NoRanges { span, .. }
            | Self::Encoded { span, .. }
            | Self::Unavailable { span, .. } => Some(span.start),
            _ => None,
        }
    }
}
