//! The faults of a container, each with its place.
//!
//! An error stores the structure, the absolute offset, the expected value and the found value. It
//! stores no text and needs no heap memory. [`Error::kind`] is for programs, and `Display` for
//! people.

use crate::{Span, Version};
use core::fmt;
use uuid::Uuid;

/// The structure at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The first eight bytes of the file.
    Signature,
    /// Format UUID and version, at offset 8.
    FormatHeader,
    /// The first 24 bytes of a table.
    TableHeader,
    /// The entries that follow a table's header.
    TableEntries,
    /// One component of a table.
    Component,
    /// The region of a component.
    ComponentRegion,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature => "signature",
            Self::FormatHeader => "format header",
            Self::TableHeader => "table header",
            Self::TableEntries => "table entries",
            Self::Component => "component",
            Self::ComponentRegion => "component region",
        })
    }
}

/// The kind of an error, for programs to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes contradict the format.
    Corrupt,
    /// The source ends before a structure does.
    Truncated,
    /// The bytes are valid, but this reader does not support their format, version or feature.
    Unsupported,
    /// The caller's [`Limits`](crate::Limits) are too low for the file.
    Limit,
    /// A mistake of the caller.
    Misuse,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "corrupt",
            Self::Truncated => "truncated",
            Self::Unsupported => "unsupported",
            Self::Limit => "limit",
            Self::Misuse => "misuse",
        })
    }
}

/// A mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The buffer to emit into is too short.
    #[error("the buffer has {len} bytes, but {needed} are needed")]
    BufferTooShort {
        /// Length of the structure in bytes.
        needed: u64,
        /// Length of the buffer in bytes.
        len: u64,
    },
    /// A table has more components than slots.
    #[error("{components} components do not fit {slots} slots: give the table more slots")]
    TooFewSlots {
        /// Number of components that the caller gave.
        components: u64,
        /// Number of slots that the caller asked for.
        slots: u32,
    },
    /// A chain has two components with the same UUID and major version.
    #[error(
        "component {id} {major}.x is listed twice, but readers would ignore the second: remove \
         one of them"
    )]
    DuplicateComponent {
        /// The component.
        id: Uuid,
        /// The major version of the component.
        major: u16,
    },
    /// A chain has more components than readers accept.
    #[error("{found} components: readers accept at most {limit} in one file")]
    TooManyComponents {
        /// Number of components that the caller gave.
        found: u64,
        /// The maximum number of components that readers accept by default.
        limit: u64,
    },
    /// A chain has more tables than readers accept.
    #[error("{found} tables: readers accept at most {limit} in one file")]
    TooManyTables {
        /// Number of tables that the caller gave.
        found: u64,
        /// The maximum number of tables that readers accept by default.
        limit: u64,
    },
    /// The first table is not at 28, or there is no table.
    #[error(
        "the first table must begin at 0x1c, right after the preamble: found {at:#x}, where 0x0 \
         means that there is no table"
    )]
    FirstTable {
        /// Start of the first table, absolute; 0 if there is no table.
        at: u64,
    },
    /// A table overlaps the preamble or another table.
    #[error("table at {at:#x}: overlaps the bytes {other}, which are in use: move it")]
    Overlap {
        /// Start of the table, absolute.
        at: u64,
        /// The bytes in use that it overlaps.
        other: Span,
    },
    /// An extension offset leads into bytes in use.
    #[error(
        "extension offset {extension_at:#x}: leads into the bytes {other}, which are in use: put \
         the next table elsewhere"
    )]
    Extension {
        /// The extension offset.
        extension_at: u64,
        /// The bytes in use that the next table would overlap.
        other: Span,
    },
    /// An extension offset does not lead to the next table of the chain.
    #[error(
        "table at {at:#x}: extension offset {extension_at:#x}, but the next table stands at \
         {next:#x}: set the offset to 0, and the writer fills it in"
    )]
    Link {
        /// Start of the table, absolute.
        at: u64,
        /// The extension offset.
        extension_at: u64,
        /// Start of the next table, absolute.
        next: u64,
    },
    /// A table or region would pass the last position of a file, 2^64 - 1.
    #[error("the bytes at {at:#x} would end after 2^64 - 1, the last position of a file")]
    PastLastPosition {
        /// Start of the table or region, absolute.
        at: u64,
    },
    /// A region starts before its table's region base.
    #[error("region at {start:#x}: starts before the region base {base:#x}: use a lower base")]
    RegionBeforeBase {
        /// Start of the region, absolute.
        start: u64,
        /// The region base.
        base: u64,
    },
    /// A region starts too far after its table's region base.
    #[error(
        "region at {start:#x}: starts 4 GiB or more after the region base {base:#x}: list it in a \
         table with a higher base"
    )]
    RegionTooFar {
        /// Start of the region, absolute.
        start: u64,
        /// The region base.
        base: u64,
    },
    /// A region is longer than its 32-bit size field can state.
    #[error("region at {start:#x}: {len} bytes, but a region must be shorter than 4 GiB: split it")]
    RegionTooLong {
        /// Start of the region, absolute.
        start: u64,
        /// Length of the region in bytes.
        len: u64,
    },
    /// Bytes were fed to a walk that has ended.
    #[error("the walk has ended and wants no more bytes: stop when `want` returns `None`")]
    FedAfterEnd,
}

/// The reason why a container cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are not a daicon signature.
    #[error("signature at 0x0: expected FF \"daicon0\", found {}: this is not a daicon \
            container", Dump(*.found))]
    NotDaicon {
        /// The file's first eight bytes.
        found: [u8; 8],
    },
    /// A daicon container of an unsupported generation.
    #[error("signature at 0x0: container generation {:?}, but only '0' is supported: use a newer \
            reader", char::from(*.found))]
    UnsupportedContainer {
        /// The signature's last byte.
        found: u8,
    },
    /// The source ends inside a structure.
    #[error(
        "{what} at {at:#x}: needs {needed} bytes, but the file ends at {end:#x}: the file is \
         incomplete, so fetch it again"
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
    /// A region that passes the last position of a file, 2^64 - 1.
    #[error(
        "{what} of the entry at {at:#x}: region base {base:#x}, offset {offset:#x} and size \
         {size:#x} add up to more than 2^64 - 1"
    )]
    OutOfBounds {
        /// The structure at fault.
        what: Structure,
        /// Position of the region's entry, absolute.
        at: u64,
        /// The region base of the entry's table, absolute.
        base: u64,
        /// Offset of the region from the region base.
        offset: u32,
        /// Length of the region in bytes.
        size: u32,
    },
    /// Two structures overlap.
    #[error("{what} at {at:#x}: ends at {end:#x} and overlaps the bytes {other}, which are in use")]
    Overlap {
        /// The later structure.
        what: Structure,
        /// Start of the later structure, absolute.
        at: u64,
        /// End of the later structure, absolute.
        end: u64,
        /// The span of the earlier structure.
        other: Span,
    },
    /// A count or a length exceeds a limit of the caller.
    #[error(
        "{what} at {at:#x}: found {found}, but the limit is {limit}: raise the limit if you trust \
         the file"
    )]
    LimitExceeded {
        /// The structure at fault.
        what: Structure,
        /// Start of the structure, absolute.
        at: u64,
        /// The count or the length in bytes that was found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A container of another format.
    #[error("format header at 0x8: expected format {expected}, found {found}")]
    WrongFormat {
        /// The declared format.
        expected: Uuid,
        /// The file's format.
        found: Uuid,
    },
    /// A version of the format that the declaration does not cover.
    #[error(
        "format header at 0x18: version {found} of the format, but this reader supports \
         {required}: use a reader for {found}"
    )]
    UnsupportedFormatVersion {
        /// The declared version.
        required: Version,
        /// The file's version.
        found: Version,
    },
    /// A required component is missing.
    #[error(
        "component {id} {required}: the format requires it, but no table of the chain that starts \
         at 0x1c lists it"
    )]
    MissingComponent {
        /// The component.
        id: Uuid,
        /// The version that the format requires, which is the lowest usable version.
        required: Version,
    },
    /// A required component has only versions that cannot be used.
    #[error(
        "component {id} at {at:#x}: expected a version compatible with {required}, found {found}"
    )]
    IncompatibleComponent {
        /// The component.
        id: Uuid,
        /// Position of the component's first entry, absolute.
        at: u64,
        /// The version that the format requires, which is the lowest usable version.
        required: Version,
        /// The version in the component's first entry.
        found: Version,
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
            Self::NotDaicon { .. } | Self::OutOfBounds { .. } | Self::Overlap { .. } => {
                ErrorKind::Corrupt
            }
            Self::Truncated { .. } => ErrorKind::Truncated,
            Self::UnsupportedContainer { .. }
            | Self::WrongFormat { .. }
            | Self::UnsupportedFormatVersion { .. }
            | Self::MissingComponent { .. }
            | Self::IncompatibleComponent { .. } => ErrorKind::Unsupported,
            Self::LimitExceeded { .. } => ErrorKind::Limit,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// Returns the structure at fault; `None` for a mistake of the caller.
    #[must_use]
    pub const fn what(&self) -> Option<Structure> {
        match self {
            Self::NotDaicon { .. } | Self::UnsupportedContainer { .. } => {
                Some(Structure::Signature)
            }
            Self::WrongFormat { .. } | Self::UnsupportedFormatVersion { .. } => {
                Some(Structure::FormatHeader)
            }
            Self::MissingComponent { .. } | Self::IncompatibleComponent { .. } => {
                Some(Structure::Component)
            }
            Self::Truncated { what, .. }
            | Self::OutOfBounds { what, .. }
            | Self::Overlap { what, .. }
            | Self::LimitExceeded { what, .. } => Some(*what),
            Self::Misuse(_) => None,
        }
    }

    /// Returns the absolute file offset of the fault; `None` for a mistake of the caller.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::NotDaicon { .. } | Self::UnsupportedContainer { .. } => Some(0),
            Self::WrongFormat { .. } => Some(8),
            Self::UnsupportedFormatVersion { .. } => Some(24),
            Self::MissingComponent { .. } => Some(crate::PREAMBLE_LEN),
            Self::IncompatibleComponent { at, .. }
            | Self::Truncated { at, .. }
            | Self::OutOfBounds { at, .. }
            | Self::Overlap { at, .. }
            | Self::LimitExceeded { at, .. } => Some(*at),
            Self::Misuse(_) => None,
        }
    }
}

/// Displays bytes as a hex dump.
struct Dump([u8; 8]);

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{byte:02X}")?;
        }
        Ok(())
    }
}
