//! The faults of paths and names lists, each with its place.
//!
//! Offsets count from the first byte of a segment's content, not from the start of the file.

use core::fmt;
use daicon_core::ErrorKind;
use uuid::Uuid;

/// The structure at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// A path that is not in a segment, such as an argument.
    Path,
    /// The first 32 bytes of a segment.
    NamesHeader,
    /// One record of a segment.
    NamesRecord,
    /// The attributes of a path.
    NamesAttributes,
    /// A path in a segment.
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
            Self::NamesAttributes => "names attributes",
            Self::NamesPath => "names path",
            Self::NamesLink => "names link",
        })
    }
}

/// The rule that a path breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathFault {
    /// The path is empty.
    Empty,
    /// The path has more than [`PATH_LEN_MAX`](crate::PATH_LEN_MAX) bytes.
    TooLong,
    /// The path is not UTF-8.
    NotUtf8,
    /// The path has a zero byte.
    Nul,
    /// A part is empty: the path begins or ends with a slash, or has two slashes in a row.
    EmptyPart,
    /// A part is `.` or `..`.
    DotPart,
    /// The path is not in Unicode normalisation form C.
    NotNfc,
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::TooLong => "is longer than 4096 bytes",
            Self::NotUtf8 => "is not UTF-8",
            Self::Nul => "has a zero byte",
            Self::EmptyPart => {
                "has an empty part: remove slashes at its start and end, and double slashes"
            }
            Self::DotPart => "has a part '.' or '..': write the path without it",
            Self::NotNfc => "is not in Unicode normalisation form C: normalise it first",
        })
    }
}

/// The reason why a path or a names list is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path breaks a rule.
    #[error("{}: the path {fault}", At { what: *.what, at: *.at })]
    Path {
        /// The structure at fault. It is `Path` for a path that is not in a segment.
        what: Structure,
        /// Start of this structure in the segment; 0 for a path that is not in a segment.
        at: u64,
        /// The rule that the path breaks.
        fault: PathFault,
    },
    /// The segment ends inside a structure.
    #[error("{what} at {at:#x}: needs {needed} bytes, but the segment ends at {end:#x}")]
    Truncated {
        /// The structure at fault.
        what: Structure,
        /// Start of the structure in the segment.
        at: u64,
        /// Length of the structure in bytes.
        needed: u64,
        /// End of the segment.
        end: u64,
    },
    /// A number contradicts other bytes of the segment.
    #[error("{what} at {at:#x}: expected {expected:#x}, found {found:#x}")]
    Mismatch {
        /// The structure with the number.
        what: Structure,
        /// Start of the structure in the segment.
        at: u64,
        /// The number expected.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// The path of a record does not sort after the path of the record before it.
    #[error(
        "names record at {at:#x}: its path is not above the path before it: the paths are not \
         sorted, or a path is listed twice"
    )]
    Unsorted {
        /// Start of the record in the segment.
        at: u64,
    },
    /// A names list of an unsupported version.
    #[error(
        "names header at 0x0: version {found}, but only version 0 is supported: use a newer reader"
    )]
    UnsupportedVersion {
        /// The version found.
        found: u32,
    },
    /// A link does not lead to earlier bytes.
    #[error(
        "names link at 0x8: the linked segment ends at {end:#x}, but must end before this segment \
         starts, at {start:#x}"
    )]
    LinkForward {
        /// End of the earlier segment's stored bytes, absolute in the file.
        end: u64,
        /// Start of this segment's stored bytes, absolute in the file.
        start: u64,
    },
    /// A chain has more segments than a reader follows.
    #[error(
        "names link at 0x8: the chain has more than {limit} segments: download the package again"
    )]
    TooManySegments {
        /// The maximum number of segments that a reader follows.
        limit: u64,
    },
    /// A reserved id.
    #[error("id {id} is reserved: give the path another id")]
    ReservedId {
        /// The id.
        id: Uuid,
    },
    /// More paths than one segment can hold.
    #[error("{bytes} bytes of paths: a names list has room for {}: split the package", u32::MAX)]
    TooLarge {
        /// Length of all paths in bytes.
        bytes: u64,
    },
}

const _: () = assert!(size_of::<Error>() <= 48);

impl Error {
    /// Returns the kind, for callers to branch on.
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

    /// Returns the structure at fault.
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

    /// Returns the offset of the fault, from the first byte of the segment's content.
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

/// A structure with its place. A path that is not in a segment has no place.
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
