//! What can be wrong with a path or a names list, and where.
//!
//! A names list is a region's content, perhaps decoded: offsets count from its first byte, not from
//! the file's.

use core::fmt;
use daicon_core::ErrorKind;
use uuid::Uuid;

/// The structure that an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// A path by itself, such as a caller's.
    Path,
    /// The 32 bytes that start a segment.
    NamesHeader,
    /// One record of a segment.
    NamesRecord,
    /// A path in a segment's heap.
    NamesPath,
    /// The link to an earlier segment.
    NamesLink,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "path",
            Self::NamesHeader => "names header",
            Self::NamesRecord => "names record",
            Self::NamesPath => "names path",
            Self::NamesLink => "names link",
        })
    }
}

/// Which rule a path breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathFault {
    /// No bytes at all.
    Empty,
    /// More than [`PATH_LEN_MAX`](crate::PATH_LEN_MAX) bytes.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// A zero byte.
    Nul,
    /// Nothing before, between or behind slashes; so is every absolute path.
    EmptyPart,
    /// A part `.` or `..`.
    DotPart,
    /// Not in Unicode normalisation form C.
    NotNfc,
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::TooLong => "is longer than 4096 bytes",
            Self::NotUtf8 => "is not UTF-8",
            Self::Nul => "holds a zero byte",
            Self::EmptyPart => {
                "has an empty part: paths are relative, with single slashes between parts"
            }
            Self::DotPart => "has a part '.' or '..'",
            Self::NotNfc => "is not in Unicode normalisation form C: normalise it first",
        })
    }
}

/// Why a path or a names list cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that breaks the rules. `at` is where it starts in a segment, 0 for a path by itself.
    #[error("{}: the path {fault}", At { what: *.what, at: *.at })]
    Path {
        /// A path by itself, or one in a segment.
        what: Structure,
        /// Where it starts.
        at: u64,
        /// The rule that it breaks.
        fault: PathFault,
    },
    /// The segment ends inside a structure.
    #[error("{what} at {at:#x}: needs {needed} bytes, but the names list ends at {end:#x}")]
    Truncated {
        /// The structure that is cut.
        what: Structure,
        /// Where it starts.
        at: u64,
        /// How long it is, in bytes.
        needed: u64,
        /// Where the segment ends.
        end: u64,
    },
    /// A number that contradicts the rest of the segment.
    #[error("{what} at {at:#x}: expected {expected:#x}, found {found:#x}")]
    Mismatch {
        /// The structure that the number is in.
        what: Structure,
        /// Where the structure starts.
        at: u64,
        /// What would fit.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A record that does not come after the one before it.
    #[error(
        "names record at {at:#x}: its path is not behind the path before it: the list is \
         not sorted, or has a path twice"
    )]
    Unsorted {
        /// Where the record starts.
        at: u64,
    },
    /// A layout that this reader does not know.
    #[error(
        "names header at 0x0: version {found} is not supported, only 0 is: a newer reader is needed"
    )]
    UnsupportedVersion {
        /// The version found.
        found: u32,
    },
    /// A link that does not lead to earlier bytes.
    #[error(
        "names link at 0x8: the earlier segment ends at {end:#x}, behind the start of this \
         one at {start:#x}"
    )]
    LinkForward {
        /// Where the earlier segment's stored bytes end, absolute in the file.
        end: u64,
        /// Where this segment's stored bytes start, absolute in the file.
        start: u64,
    },
    /// More segments than a reader follows.
    #[error("names link at 0x8: more than {limit} segments in a chain: get the package anew")]
    TooManySegments {
        /// How many are followed.
        limit: u64,
    },
    /// An id that a path cannot be given.
    #[error("id {id} is reserved and cannot be given to a path")]
    ReservedId {
        /// The id.
        id: Uuid,
    },
    /// More paths than the 32-bit numbers of a segment can hold.
    #[error("the paths do not fit a names list: {bytes} bytes of paths, {} are possible", u32::MAX)]
    TooLarge {
        /// The paths' bytes.
        bytes: u64,
    },
}

const _: () = assert!(size_of::<Error>() <= 48);

impl Error {
    /// What to branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Path { what: Structure::Path, .. }
            | Self::ReservedId { .. }
            | Self::TooLarge { .. } => ErrorKind::Misuse,
            Self::Path { .. }
            | Self::Mismatch { .. }
            | Self::Unsorted { .. }
            | Self::LinkForward { .. } => ErrorKind::Corrupt,
            Self::Truncated { .. } => ErrorKind::Truncated,
            Self::UnsupportedVersion { .. } => ErrorKind::Unsupported,
            Self::TooManySegments { .. } => ErrorKind::Limit,
        }
    }

    /// The structure concerned.
    #[must_use]
    pub const fn what(&self) -> Structure {
        match self {
            Self::Path { what, .. }
            | Self::Truncated { what, .. }
            | Self::Mismatch { what, .. } => *what,
            Self::Unsorted { .. } | Self::ReservedId { .. } => Structure::NamesRecord,
            Self::UnsupportedVersion { .. } | Self::TooLarge { .. } => Structure::NamesHeader,
            Self::LinkForward { .. } | Self::TooManySegments { .. } => Structure::NamesLink,
        }
    }

    /// The offset concerned, from the first byte of the segment's content.
    #[must_use]
    pub const fn at(&self) -> u64 {
        match self {
            Self::Path { at, .. }
            | Self::Truncated { at, .. }
            | Self::Mismatch { at, .. }
            | Self::Unsorted { at } => *at,
            Self::UnsupportedVersion { .. } | Self::ReservedId { .. } | Self::TooLarge { .. } => 0,
            Self::LinkForward { .. } | Self::TooManySegments { .. } => 8,
        }
    }
}

/// A structure with its place, for what has one: a path by itself has none.
struct At {
    what: Structure,
    at: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Structure::Path => self.what.fmt(f),
            _ => write!(f, "{} at {:#x}", self.what, self.at),
        }
    }
}
