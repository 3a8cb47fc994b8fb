//! What can be wrong with a container, and where.
//!
//! No text is stored and nothing is boxed: an error is the structure, the absolute offset, what was
//! expected and what was found. [`Error::kind`] is for programs, `Display` for people.

use crate::{Span, Version};
use core::fmt;
use uuid::Uuid;

/// The structure that an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The first eight bytes of the file.
    Signature,
    /// Format UUID and version, at offset 8.
    FormatHeader,
    /// The 24 bytes that start a table.
    TableHeader,
    /// The entries behind a table's header.
    TableEntries,
    /// One component of a table.
    Component,
    /// The region that a component's entry names.
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

/// What to do about an error, for programs that branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes contradict the format.
    Corrupt,
    /// The source ends before a structure does.
    Truncated,
    /// Well-formed, but of a format, version or feature that this reader does not know.
    Unsupported,
    /// Larger than the caller's [`Limits`](crate::Limits) allow.
    Limit,
    /// The caller asked for something that cannot be.
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

/// A caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The buffer to emit into is too short.
    #[error("the buffer is too short: {needed} bytes are needed, {len} were given")]
    BufferTooShort {
        /// Bytes that the structure takes.
        needed: u64,
        /// Bytes that the buffer has.
        len: u64,
    },
    /// A table was to hold more components than slots.
    #[error("{components} components do not fit the {slots} slots of the table")]
    TooFewSlots {
        /// Components given.
        components: u64,
        /// Slots asked for.
        slots: u32,
    },
    /// A component was given twice with the same major version; readers would ignore the second.
    #[error("component {id} {major}.x is given twice: readers would ignore the second")]
    DuplicateComponent {
        /// The component.
        id: Uuid,
        /// Its major version.
        major: u16,
    },
    /// Bytes were fed to a machine that wants none.
    #[error("nothing is wanted: the walk has ended")]
    FedAfterEnd,
}

/// Why a container cannot be read, or not written as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are not a daicon signature.
    #[error("signature at 0x0: expected FF \"daicon0\", found {}: this is not a daicon \
            container", Hex(*.found))]
    NotDaicon {
        /// The file's first eight bytes.
        found: [u8; 8],
    },
    /// A daicon container of a generation that this reader does not know.
    #[error("signature at 0x0: container generation {:?} is not supported, only '0' is: a \
            newer reader is needed", char::from(*.found))]
    UnsupportedContainer {
        /// The signature's last byte.
        found: u8,
    },
    /// The source ends inside a structure.
    #[error(
        "{what} at {at:#x}: needs {needed} bytes, but the file ends at {end:#x}: fetch it \
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
    /// A region whose position passes 2^64.
    #[error(
        "{what} named at {at:#x}: offset {offset:#x} and size {size:#x} from {base:#x} pass \
         the last position that a file can have"
    )]
    OutOfBounds {
        /// The structure that lies outside.
        what: Structure,
        /// Where it is named, absolute.
        at: u64,
        /// What its offset is counted from, absolute.
        base: u64,
        /// Its offset from there.
        offset: u32,
        /// Its length in bytes.
        size: u32,
    },
    /// Two structures claim the same bytes.
    #[error("{what} at {at:#x}: takes the bytes up to {end:#x}, of which some belong to {other}")]
    Overlap {
        /// The later structure.
        what: Structure,
        /// Where it starts, absolute.
        at: u64,
        /// Where it ends, absolute.
        end: u64,
        /// The span that an earlier structure has claimed.
        other: Span,
    },
    /// A count passes the caller's limits.
    #[error(
        "{what} at {at:#x}: {found} in the file, {limit} allowed: raise the limit where the \
         file is trusted"
    )]
    LimitExceeded {
        /// What there is too much of.
        what: Structure,
        /// Where, absolute.
        at: u64,
        /// How many the file has.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// A container of another format.
    #[error("format header at 0x8: expected format {expected}, found {found}")]
    WrongFormat {
        /// The format that was declared.
        expected: Uuid,
        /// The file's format.
        found: Uuid,
    },
    /// The right format in a version that the declaration does not cover.
    #[error(
        "format header at 0x18: version {found} cannot be read by a reader of {required}: a \
         reader for it is needed"
    )]
    UnsupportedFormatVersion {
        /// The version declared.
        required: Version,
        /// The file's version.
        found: Version,
    },
    /// A required component is in none of the tables.
    #[error("component {id} {required}: required by the format, but no table from 0x1c on has it")]
    MissingComponent {
        /// The component.
        id: Uuid,
        /// The least version that would do.
        required: Version,
    },
    /// A required component is there, in a version that does not serve.
    #[error("component {id} at {at:#x}: version {found} does not serve a reader of {required}")]
    IncompatibleComponent {
        /// The component.
        id: Uuid,
        /// Where its entry stands, absolute.
        at: u64,
        /// The least version that would do.
        required: Version,
        /// The version found.
        found: Version,
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

    /// The structure concerned; `None` for a caller's mistake.
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

    /// The absolute file offset concerned; `None` for a caller's mistake.
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

/// Bytes as people read them in a hex dump.
struct Hex([u8; 8]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{byte:02X}")?;
        }
        Ok(())
    }
}
