//! What can keep a package from being updated, and where.

use core::fmt;
use daicon_core::ErrorKind;

/// The structure that an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The region of the layout component.
    Layout,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layout => "layout",
        })
    }
}

/// What is wrong with a layout component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutFault {
    /// Shorter than the 80 bytes that it takes.
    #[error("needs 80 bytes, has {0}")]
    TooShort(u64),
    /// A layout that this reader does not know.
    #[error("version {0} is not supported, only 0 is")]
    Version(u32),
    /// A head of another length.
    #[error("head length: expected 65536, found {0}")]
    HeadLen(u32),
    /// No power of two from 4 KiB to 1 GiB.
    #[error("slice length: expected a power of two from 4096 to 1073741824, found {0}")]
    SliceLen(u64),
    /// Not a multiple of the slice length, or past the file's end.
    #[error(
        "end of the fresh package: expected a multiple of the slice length within the file, \
         found {0:#x}"
    )]
    FreshEnd(u64),
}

/// A caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A slice length that the format does not allow.
    #[error("slice length: {0} is not possible, a power of two from 4 KiB to 1 GiB is")]
    SliceLen(u64),
}

/// Why a package cannot be laid out or updated as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The layout component is at fault.
    #[error("layout at {at:#x}: {fault}")]
    Layout {
        /// Where the component's region starts, absolute.
        at: u64,
        /// What is wrong.
        fault: LayoutFault,
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
            Self::Layout { fault: LayoutFault::Version(_), .. } => ErrorKind::Unsupported,
            Self::Layout { .. } => ErrorKind::Corrupt,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// The structure concerned; `None` for a caller's mistake.
    #[must_use]
    pub const fn what(&self) -> Option<Structure> {
        match self {
            Self::Layout { .. } => Some(Structure::Layout),
            Self::Misuse(_) => None,
        }
    }

    /// The absolute file offset concerned; `None` for a caller's mistake.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::Layout { at, .. } => Some(*at),
            Self::Misuse(_) => None,
        }
    }
}
