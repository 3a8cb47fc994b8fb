//! Why bytes could not be had, and what to do about it.
//!
//! No text is stored and nothing is boxed: what the network's library said stays with those who
//! asked it. [`Error::kind`] is for programs, `Display` for people.

use crate::fault::{Coding, Fault};
use core::fmt;
use daicon_core::Span;

/// What to do about an error, for programs that branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A cache does not have the bytes yet that a newer head speaks of, or has other ones.
    Stale,
    /// Another file stands under the URL now.
    Replaced,
    /// There is nothing under the URL.
    NotFound,
    /// The server refuses to say.
    Denied,
    /// The server cannot do what is needed.
    Unsupported,
    /// The server did not answer, or could not just then.
    Unavailable,
    /// The session's budget.
    Limit,
    /// The caller asked for something that cannot be.
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

/// A caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// Something was asked of a fetch out of turn, or after it had failed.
    #[error("a fetch was fed or asked out of turn")]
    OutOfTurn,
}

/// Why a fetch failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither the URL nor the same with a tag and with a nonce brought the bytes.
    #[error(
        "bytes {span}: the server {fault}, {}: {}",
        if *.tags { "and with ?g= too" } else { "and ?g= cannot be tried on this URL" },
        advice(*.fault)
    )]
    Stale {
        /// The bytes that were asked for, absolute.
        span: Span,
        /// What came last.
        fault: Fault,
        /// Whether the URL takes a query, so that tags were tried.
        tags: bool,
    },
    /// The server answers with the whole file, whatever range is asked for.
    #[error(
        "bytes {span}: the server sends whole files only{}: switch ranges on there, or allow that \
         the file is read whole", Length(*.len)
    )]
    NoRanges {
        /// The bytes that were asked for, absolute.
        span: Span,
        /// The file's length, where it was told.
        len: Option<u64>,
    },
    /// The server encodes what it sends, so that ranges are ranges of something else.
    #[error(
        "bytes {span}: the server sends {coding}, though only identity was accepted: switch \
         compression off there for packages"
    )]
    Encoded {
        /// The bytes that were asked for, absolute.
        span: Span,
        /// The coding.
        coding: Coding,
    },
    /// The server did not serve the request, though it was asked more than once.
    #[error("bytes {span}: the server {fault}, in the last of {requests} tries: try again later")]
    Unavailable {
        /// The bytes that were asked for, absolute.
        span: Span,
        /// What came last.
        fault: Fault,
        /// Requests sent.
        requests: u32,
    },
    /// The server asks for a longer wait than the session allows.
    #[error("the server answered with status {status} and asks to wait {secs} s: do so")]
    Busy {
        /// The status.
        status: u16,
        /// The wait, in seconds.
        secs: u64,
    },
    /// There is nothing under the URL.
    #[error("the server answered with status {status}: check the URL")]
    NotFound {
        /// The status.
        status: u16,
    },
    /// The server refuses.
    #[error("the server answered with status {status}: check the URL and its credentials")]
    Denied {
        /// The status.
        status: u16,
    },
    /// Redirects that lead nowhere.
    #[error(
        "the server answered with status {status}: its redirects lead nowhere or in a circle: give \
         the final URL"
    )]
    Redirects {
        /// The status.
        status: u16,
    },
    /// A status that no retry would change.
    #[error("the server answered with status {status} to a plain range request: ask its owner")]
    Refused {
        /// The status.
        status: u16,
    },
    /// Another file stands under the URL now.
    #[error(
        "another file stands under this URL now: it was {:032x} and is {:032x}: open it anew; \
         give each file a URL of its own", u128::from_be_bytes(*.expected),
        u128::from_be_bytes(*.found)
    )]
    Replaced {
        /// The file id that the session began with.
        expected: [u8; 16],
        /// The file id now.
        found: [u8; 16],
    },
    /// A request would take more bytes than the budget has left.
    #[error(
        "the next request would take {needed} bytes, and {left} of the budget of {max} are left: \
         raise it, or ask for less"
    )]
    BytesSpent {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes left.
        left: u64,
        /// The budget.
        max: u64,
    },
    /// There are no requests left in the budget.
    #[error("the budget of {max} requests is spent: raise it, or ask for less")]
    RequestsSpent {
        /// The budget.
        max: u64,
    },
    /// The caller's mistake.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48);

/// What is to be set where nothing helped.
const fn advice(fault: Fault) -> &'static str {
    match fault {
        Fault::Doubt(_) => {
            "the file is damaged there, or a cache before it is stale: verify the file at its \
             origin, and let the query string be part of the cache's key"
        }
        Fault::NotSatisfiable { .. } | Fault::Short { .. } | Fault::Whole { .. } => {
            "the file is cut there, or a cache before it is stale: let the query string be part of \
             the cache's key, never cache a 416, and compare no validators between slices"
        }
        _ => "its ranges cannot be relied upon: cure the server, or the cache before it",
    }
}

struct Length(Option<u64>);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |len| write!(f, ", here one of {len} bytes"))
    }
}

impl Error {
    /// What to branch on.
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
            Self::Replaced { .. } => ErrorKind::Replaced,
            Self::BytesSpent { .. } | Self::RequestsSpent { .. } => ErrorKind::Limit,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// The absolute file offset concerned; `None` where it is not about bytes.
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
