//! What can be wrong with an index or a stored region, and where.

use crate::Encoding;
use core::fmt;
use daicon_core::ErrorKind;

/// The structure that an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The eight bytes that start an index.
    IndexHeader,
    /// The sixteen bytes that start a group.
    GroupHeader,
    /// The entries of a group that are in use.
    GroupEntries,
    /// One entry.
    Entry,
    /// The bytes that an entry names.
    StoredRegion,
    /// The brotli stream of a `brot` region.
    BrotliStream,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IndexHeader => "index header",
            Self::GroupHeader => "group header",
            Self::GroupEntries => "group entries",
            Self::Entry => "entry",
            Self::StoredRegion => "stored region",
            Self::BrotliStream => "brotli stream",
        })
    }
}

/// A caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The buffer to write into is too short.
    #[error("the buffer is too short: {needed} bytes are needed, {len} were given")]
    BufferTooShort {
        /// Bytes needed.
        needed: u64,
        /// Bytes given.
        len: u64,
    },
    /// A group's length and its entries disagree, or pass 255.
    #[error("a group of length {length} was given {entries} entries")]
    GroupLength {
        /// The length in the header.
        length: u8,
        /// Entries given.
        entries: u64,
    },
    /// More regions than a 32-bit index region has room for.
    #[error(
        "{groups} groups do not fit an index, whose size has 32 bits: at most {} do; split \
         the package",
        crate::GROUPS_MAX
    )]
    TooManyGroups {
        /// Groups that the regions would take.
        groups: u64,
    },
    /// A region longer than its 32-bit size can say.
    #[error(
        "a region of {len} bytes does not fit an entry, whose size has 32 bits: split it \
         into regions below 4 GiB"
    )]
    RegionTooLong {
        /// Its stored length.
        len: u64,
    },
    /// Bytes were fed to a machine that wants none.
    #[error("nothing is wanted: the walk has ended")]
    FedAfterEnd,
}

/// Why an index or a region cannot be read, or not written as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source ends inside a structure.
    #[error(
        "{what} at {at:#x}: needs {needed} bytes, but the source ends at {end:#x}: fetch it \
         again or pack it anew"
    )]
    Truncated {
        /// The structure that is cut.
        what: Structure,
        /// Where it starts, absolute.
        at: u64,
        /// How long it is, in bytes.
        needed: u64,
        /// Where the source ends, absolute.
        end: u64,
    },
    /// The component's region has no room for what the index says it holds.
    #[error(
        "index header at {at:#x}: {groups} groups need {needed} bytes, the component's \
         region has {size}"
    )]
    RegionTooSmall {
        /// Where the region starts, absolute.
        at: u64,
        /// Groups that the header names.
        groups: u32,
        /// Bytes that they take with the header.
        needed: u64,
        /// Bytes that the region has.
        size: u64,
    },
    /// An index of a layout that this reader does not know.
    #[error(
        "index header at {at:#x}: version {found} is not supported, only 0 is: a newer \
         reader is needed"
    )]
    UnsupportedVersion {
        /// Where the header starts, absolute.
        at: u64,
        /// The version found.
        found: u32,
    },
    /// An entry whose bytes pass position 2^64.
    #[error(
        "entry at {at:#x}: offset {offset:#x} and size {size:#x} from {base:#x} pass the \
         last position that a file can have"
    )]
    OutOfBounds {
        /// Where the entry stands, absolute.
        at: u64,
        /// The group's base, absolute.
        base: u64,
        /// The entry's offset from there.
        offset: u32,
        /// Its size.
        size: u32,
    },
    /// A region in an encoding that this reader does not know.
    #[error(
        "stored region at {at:#x}: encoding \"{encoding}\" is not supported: read it as \
         stored, or with a reader that knows it"
    )]
    UnsupportedEncoding {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// The tag found.
        encoding: Encoding,
    },
    /// A `brot` region that is no brotli stream.
    #[error("brotli stream at {at:#x}: not a brotli stream from its byte {offset} on")]
    Brotli {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// How many of them had been taken.
        offset: u64,
    },
    /// A brotli stream that goes on where the region ends.
    #[error(
        "brotli stream at {at:#x}: the region's {size} stored bytes end before the stream does: \
         fetch it again or pack it anew"
    )]
    Incomplete {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// How many there are.
        size: u64,
    },
    /// Bytes behind the end of a brotli stream.
    #[error("brotli stream at {at:#x}: ends after {used} bytes, but the region goes on to {size}")]
    TrailingBytes {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// Bytes that the stream took.
        used: u64,
        /// Bytes that the region has.
        size: u64,
    },
    /// A region decodes to more than the caller allows.
    #[error(
        "{what} at {at:#x}: decodes to more than the {limit} bytes allowed: raise the cap \
         where the file is trusted"
    )]
    TooLong {
        /// What was decoded.
        what: Structure,
        /// Where the stored bytes start, absolute.
        at: u64,
        /// The caller's cap.
        limit: u64,
    },
    /// A region decodes to more than this machine has memory for.
    #[error(
        "{what} at {at:#x}: its content does not fit this machine's memory: read it as a stream"
    )]
    OutOfMemory {
        /// What was decoded.
        what: Structure,
        /// Where the stored bytes start, absolute.
        at: u64,
    },
    /// The caller's mistake, not the file's.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48);

impl Error {
    /// What to branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::RegionTooSmall { .. }
            | Self::OutOfBounds { .. }
            | Self::Brotli { .. }
            | Self::TrailingBytes { .. } => ErrorKind::Corrupt,
            Self::Truncated { .. } | Self::Incomplete { .. } => ErrorKind::Truncated,
            Self::UnsupportedVersion { .. } | Self::UnsupportedEncoding { .. } => {
                ErrorKind::Unsupported
            }
            Self::TooLong { .. } | Self::OutOfMemory { .. } => ErrorKind::Limit,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// The structure concerned; `None` for a caller's mistake.
    #[must_use]
    pub const fn what(&self) -> Option<Structure> {
        match self {
            Self::RegionTooSmall { .. } | Self::UnsupportedVersion { .. } => {
                Some(Structure::IndexHeader)
            }
            Self::OutOfBounds { .. } => Some(Structure::Entry),
            Self::UnsupportedEncoding { .. } => Some(Structure::StoredRegion),
            Self::Brotli { .. } | Self::Incomplete { .. } | Self::TrailingBytes { .. } => {
                Some(Structure::BrotliStream)
            }
            Self::Truncated { what, .. }
            | Self::TooLong { what, .. }
            | Self::OutOfMemory { what, .. } => Some(*what),
            Self::Misuse(_) => None,
        }
    }

    /// The absolute file offset concerned; `None` for a caller's mistake.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::Truncated { at, .. }
            | Self::RegionTooSmall { at, .. }
            | Self::UnsupportedVersion { at, .. }
            | Self::OutOfBounds { at, .. }
            | Self::UnsupportedEncoding { at, .. }
            | Self::Brotli { at, .. }
            | Self::Incomplete { at, .. }
            | Self::OutOfMemory { at, .. }
            | Self::TrailingBytes { at, .. }
            | Self::TooLong { at, .. } => Some(*at),
            Self::Misuse(_) => None,
        }
    }
}
