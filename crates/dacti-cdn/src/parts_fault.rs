//! The faults of a package in parts: of the parts component's region, of the head, and of parts.
//!
//! Specification: `docs/spec/dacti-parts.md`, "The region", "The list", "The head".

use daicon_core::ErrorKind;

/// A fault of a package in parts, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at {at:#x}: {fault}", what = fault.structure())]
pub struct PartsError {
    /// The absolute position of the structure at fault.
    pub at: u64,
    /// The fault.
    pub fault: PartsFault,
}

const _: () = assert!(size_of::<PartsError>() <= 48);

impl PartsError {
    /// Returns the absolute position of the structure at fault.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Returns the kind of the error, for callers to branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self.fault {
            PartsFault::TooShort(_) => ErrorKind::Truncated,
            PartsFault::Version(_) | PartsFault::NoComponent => ErrorKind::Unsupported,
            PartsFault::EntryCount(_) | PartsFault::PrefixLen(_) => ErrorKind::Limit,
            PartsFault::Prefix
            | PartsFault::PastHead(_)
            | PartsFault::PartLen { .. }
            | PartsFault::EntryOrder { .. }
            | PartsFault::EntryPlace { .. }
            | PartsFault::Pieces { .. }
            | PartsFault::End { .. }
            | PartsFault::HeadLen(_)
            | PartsFault::HeadDigest
            | PartsFault::Hole
            | PartsFault::PartDigest => ErrorKind::Corrupt,
        }
    }
}

/// A fault of the list of parts, or of the head that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartsFault {
    /// The head has no parts component.
    #[error(
        "the package has no dacti-parts component, so its head has no room for a list of parts: \
         use `dacti compact` to make a package that has this room"
    )]
    NoComponent,
    /// The region is shorter than 2,048 bytes.
    #[error("needs 2048 bytes, but has {0}")]
    TooShort(u64),
    /// The region passes the end of the head.
    #[error("ends at {0:#x}, but the head ends at 0x10000")]
    PastHead(u64),
    /// The region has a version that this reader does not support.
    #[error("version {0}, but only version 0 is supported")]
    Version(u32),
    /// The list is longer than the format allows.
    #[error("has {0} entries, but at most 34 are allowed")]
    EntryCount(u32),
    /// The prefix is longer than the format allows.
    #[error("the prefix has {0} bytes, but at most 240 are allowed")]
    PrefixLen(u16),
    /// The prefix could lead out of the head's folder.
    #[error("the prefix must be a relative path of plain segments that ends with a slash")]
    Prefix,
    /// An entry starts before the end of the previous entry.
    #[error("the entry starts at {start:#x}, but the previous entry ends at {end:#x}")]
    EntryOrder {
        /// Absolute start of the entry.
        start: u64,
        /// Absolute end of the previous entry.
        end: u64,
    },
    /// An entry is empty, starts within the head, or passes position 2^56.
    #[error(
        "the entry has {len} bytes from {start:#x}: it must not be empty, must start at 0x10000 or \
         later, and must end at 2^56 or earlier"
    )]
    EntryPlace {
        /// Absolute start of the entry.
        start: u64,
        /// Length of the entry in bytes.
        len: u64,
    },
    /// An entry is cut into pieces of a length that the format does not allow, or into too many
    /// pieces.
    #[error(
        "the entry of {len} bytes is cut into pieces of 2^{exponent} bytes: the exponent must be 0 \
         or 16 to 55, and at most 65536 pieces are allowed"
    )]
    Pieces {
        /// The piece exponent.
        exponent: u8,
        /// Length of the entry in bytes.
        len: u64,
    },
    /// An entry passes the end field, although it is not a second start of a part.
    #[error("the entry ends at {last:#x}, but the end field allows at most {end:#x}")]
    End {
        /// Absolute end of the entry.
        last: u64,
        /// Value of the end field.
        end: u64,
    },
    /// The length of the head is not 65,536 bytes.
    #[error("the head of a package in parts must have 65536 bytes, but has {0}")]
    HeadLen(u64),
    /// The head's bytes do not match the digest that the head states.
    #[error(
        "the bytes of the head do not match their digest: they were altered, or mix two versions \
         of the head; fetch the head again past all caches"
    )]
    HeadDigest,
    /// A position lies in no part.
    #[error("no part of the package holds this position")]
    Hole,
    /// The bytes of a part do not match the digest in its name.
    #[error("the bytes of the part do not match the digest in its name")]
    PartDigest,
    /// The length of an object differs from the length that its entry states.
    #[error("the object of the part has {found} bytes, but {expected} were expected")]
    PartLen {
        /// Length that the list implies, in bytes.
        expected: u64,
        /// Length of the object, in bytes.
        found: u64,
    },
}

impl PartsFault {
    /// Returns the specification's name of the structure at fault.
    #[must_use]
    pub const fn structure(&self) -> &'static str {
        match self {
            Self::HeadLen(_) | Self::HeadDigest => "head",
            Self::NoComponent => "component",
            Self::PartDigest | Self::PartLen { .. } => "part",
            _ => "parts",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PartsError, PartsFault};
    use daicon_core::ErrorKind;
    use std::string::ToString;

    #[test]
    fn an_error_names_the_structure_and_its_place() {
        let error = PartsError { at: 1536, fault: PartsFault::EntryCount(35) };
        assert_eq!(error.to_string(), "parts at 0x600: has 35 entries, but at most 34 are allowed");
        assert_eq!((error.at(), error.kind()), (1536, ErrorKind::Limit));
        let error = PartsError { at: 0, fault: PartsFault::HeadLen(65_535) };
        assert!(error.to_string().starts_with("head at 0x0: "));
    }
}
