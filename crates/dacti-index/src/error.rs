//! The faults of an index or a stored region, each with its place.

use crate::Encoding;
use core::fmt;
use daicon_core::ErrorKind;

/// The structure at fault.
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
    /// The brotli stream of a `brot` or `brod` region.
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

/// A mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The buffer to write into is too short.
    #[error("the buffer has {len} bytes, but {needed} are needed")]
    BufferTooShort {
        /// Number of bytes that are needed.
        needed: u64,
        /// Length of the buffer in bytes.
        len: u64,
    },
    /// The length in a group's header differs from the number of its entries.
    #[error("the group header says {length} entries, but {entries} were given")]
    GroupLength {
        /// The number of entries that the header states.
        length: u8,
        /// Number of entries that the caller gave.
        entries: u64,
    },
    /// More groups than fit into an index region, whose size has 32 bits.
    #[error(
        "{groups} groups: an index has room for at most {}, so split the package",
        crate::GROUPS_MAX
    )]
    TooManyGroups {
        /// Number of groups that are needed.
        groups: u64,
    },
    /// A region longer than its 32-bit size field can state.
    #[error("region of {len} bytes: a region must be shorter than 4 GiB, so split it")]
    RegionTooLong {
        /// Number of stored bytes of the region.
        len: u64,
    },
    /// The stored bytes of an entry would pass the last position of a file, 2^64 - 1.
    #[error(
        "entry {entry} of the group: its bytes would end after 2^64 - 1, the last position of a \
         file"
    )]
    PastLastPosition {
        /// Number of the entry in its group, from 0.
        entry: u8,
    },
    /// An entry that removes its region has a size other than 0.
    #[error("entry {entry} of the group: it removes its region, so its size must be 0")]
    RemovalWithBytes {
        /// Number of the entry in its group, from 0.
        entry: u8,
    },
    /// Bytes were fed to a walk that has ended.
    #[error("the walk has ended and wants no more bytes: stop when `want` returns `None`")]
    FedAfterEnd,
}

/// The reason why an index or a region cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source ends inside a structure.
    #[error(
        "{what} at {at:#x}: needs {needed} bytes, but the source ends at {end:#x}: fetch it \
         again or pack it again"
    )]
    Truncated {
        /// The structure at fault.
        what: Structure,
        /// Start of the structure, absolute.
        at: u64,
        /// Length of the structure in bytes.
        needed: u64,
        /// End of the source, absolute.
        end: u64,
    },
    /// The component's region is too short for the groups that the index header counts.
    #[error(
        "index header at {at:#x}: {groups} groups need {needed} bytes, but the component's \
         region has {size}"
    )]
    RegionTooSmall {
        /// Start of the region, absolute.
        at: u64,
        /// Number of groups that the header states.
        groups: u32,
        /// Number of bytes that the index header and these groups need.
        needed: u64,
        /// Length of the region in bytes.
        size: u64,
    },
    /// An index of an unsupported version.
    #[error(
        "index header at {at:#x}: version {found}, but only version 0 is supported: use a newer \
         reader"
    )]
    UnsupportedVersion {
        /// Start of the header, absolute.
        at: u64,
        /// The version found.
        found: u32,
    },
    /// An entry whose stored bytes pass the last position of a file, 2^64 - 1.
    #[error(
        "entry at {at:#x}: group base {base:#x}, offset {offset:#x} and size {size:#x} add up to \
         more than 2^64 - 1"
    )]
    OutOfBounds {
        /// Position of the entry, absolute.
        at: u64,
        /// The group base, absolute.
        base: u64,
        /// The entry's offset from the group base.
        offset: u32,
        /// The size that the entry states.
        size: u32,
    },
    /// An entry that removes its region but has stored bytes.
    #[error(
        "entry at {at:#x}: an entry of a group `gone` removes its region, so its size must be 0, \
         but it is {size}"
    )]
    RemovalWithBytes {
        /// Position of the entry, absolute.
        at: u64,
        /// The size that the entry states.
        size: u32,
    },
    /// A region of an unsupported encoding.
    #[error(
        "stored region at {at:#x}: encoding \"{encoding}\" is not supported: read the stored \
         bytes, or use a reader that supports it"
    )]
    UnsupportedEncoding {
        /// Start of the stored bytes, absolute.
        at: u64,
        /// The tag found.
        encoding: Encoding,
    },
    /// A `brod` region in a package without the dictionary to which the region refers.
    #[error(
        "stored region at {at:#x}: encoding \"brod\" needs the package's dictionary, but the \
         package has none: read the stored bytes, or get the package anew"
    )]
    NoDictionary {
        /// Start of the stored bytes, absolute.
        at: u64,
    },
    /// A `brod` region whose content and dictionary together are longer than the stream's window.
    #[error(
        "brotli stream at {at:#x}: content and dictionary together are longer than the stream's \
         window of {window_len} bytes: pack it again"
    )]
    PastWindow {
        /// Start of the stored bytes, absolute.
        at: u64,
        /// The distance in bytes that the stream's window reaches back.
        window_len: u64,
    },
    /// A `brot` or `brod` region that is not a brotli stream.
    #[error("brotli stream at {at:#x}: damaged at its byte {offset}")]
    Brotli {
        /// Start of the stored bytes, absolute.
        at: u64,
        /// Number of valid bytes before the fault.
        offset: u64,
    },
    /// A brotli stream that does not end at the end of its region.
    #[error(
        "brotli stream at {at:#x}: the region's {size} stored bytes end before the stream does: \
         fetch it again or pack it again"
    )]
    Incomplete {
        /// Start of the stored bytes, absolute.
        at: u64,
        /// Length of the stored bytes.
        size: u64,
    },
    /// Bytes after the end of a brotli stream.
    #[error("brotli stream at {at:#x}: ends after {used} bytes, but the region has {size} bytes")]
    TrailingBytes {
        /// Start of the stored bytes, absolute.
        at: u64,
        /// Length of the stream in bytes.
        used: u64,
        /// Length of the region in bytes.
        size: u64,
    },
    /// A region decodes to more than the caller's limit.
    #[error(
        "{what} at {at:#x}: decodes to more than the limit of {limit} bytes: raise the limit if \
         you trust the file"
    )]
    TooLong {
        /// The structure at fault.
        what: Structure,
        /// Start of the stored bytes, absolute.
        at: u64,
        /// The caller's limit.
        limit: u64,
    },
    /// The content of a region does not fit into memory.
    #[error("{what} at {at:#x}: the content does not fit into memory: read it as a stream")]
    OutOfMemory {
        /// The structure at fault.
        what: Structure,
        /// Start of the stored bytes, absolute.
        at: u64,
    },
    /// A mistake of the caller.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48);

impl Error {
    /// Returns the kind, for callers to branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::RegionTooSmall { .. }
            | Self::OutOfBounds { .. }
            | Self::RemovalWithBytes { .. }
            | Self::Brotli { .. }
            | Self::PastWindow { .. }
            | Self::TrailingBytes { .. } => ErrorKind::Corrupt,
            Self::Truncated { .. } | Self::Incomplete { .. } => ErrorKind::Truncated,
            Self::UnsupportedVersion { .. }
            | Self::UnsupportedEncoding { .. }
            | Self::NoDictionary { .. } => ErrorKind::Unsupported,
            Self::TooLong { .. } | Self::OutOfMemory { .. } => ErrorKind::Limit,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// Returns the structure concerned; `None` for a caller's mistake.
    #[must_use]
    pub const fn what(&self) -> Option<Structure> {
        match self {
            Self::RegionTooSmall { .. } | Self::UnsupportedVersion { .. } => {
                Some(Structure::IndexHeader)
            }
            Self::OutOfBounds { .. } | Self::RemovalWithBytes { .. } => Some(Structure::Entry),
            Self::UnsupportedEncoding { .. } | Self::NoDictionary { .. } => {
                Some(Structure::StoredRegion)
            }
            Self::Brotli { .. }
            | Self::PastWindow { .. }
            | Self::Incomplete { .. }
            | Self::TrailingBytes { .. } => Some(Structure::BrotliStream),
            Self::Truncated { what, .. }
            | Self::TooLong { what, .. }
            | Self::OutOfMemory { what, .. } => Some(*what),
            Self::Misuse(_) => None,
        }
    }

    /// Returns the absolute file offset concerned; `None` for a caller's mistake.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::Truncated { at, .. }
            | Self::RegionTooSmall { at, .. }
            | Self::UnsupportedVersion { at, .. }
            | Self::OutOfBounds { at, .. }
            | Self::RemovalWithBytes { at, .. }
            | Self::UnsupportedEncoding { at, .. }
            | Self::NoDictionary { at }
            | Self::PastWindow { at, .. }
            | Self::Brotli { at, .. }
            | Self::Incomplete { at, .. }
            | Self::OutOfMemory { at, .. }
            | Self::TrailingBytes { at, .. }
            | Self::TooLong { at, .. } => Some(*at),
            Self::Misuse(_) => None,
        }
    }
}
