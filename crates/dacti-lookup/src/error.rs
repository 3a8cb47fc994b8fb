//! What can be wrong with a lookup region, and with an index that it is held against, and where.

use core::fmt;
use daicon_core::ErrorKind;

/// The structure that an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The sixteen bytes that start a lookup region.
    LookupHeader,
    /// The record of one run.
    LookupRun,
    /// A fence.
    LookupFence,
    /// The groups that a fence leads to.
    LookupBlock,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LookupHeader => "lookup header",
            Self::LookupRun => "lookup run",
            Self::LookupFence => "lookup fence",
            Self::LookupBlock => "lookup block",
        })
    }
}

/// What a run's record says that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunFault {
    /// No groups, or no run at all.
    Empty,
    /// A stride of 0.
    Stride,
    /// It does not start where the run before it ends.
    FirstGroup,
    /// Another count of fences than groups and stride make.
    Fences,
    /// Its groups pass what an index can have, or the last position of a file.
    Groups,
    /// The last run does not end where the index does.
    End,
}

impl fmt::Display for RunFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there is no run, or one without groups",
            Self::Stride => "a stride is 0",
            Self::FirstGroup => "a run does not start where the one before it ends",
            Self::Fences => "the count of fences is not that of groups by stride",
            Self::Groups => "the groups pass what an index can have",
            Self::End => "the last run does not end with the index",
        })
    }
}

/// How groups contradict the fences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contradiction {
    /// The block's first entry has another fence.
    FirstFence,
    /// The first entry behind the block has another fence than the next one.
    NextFence,
    /// An entry does not ascend from the one before it.
    Unsorted,
    /// A group of a run has no entries.
    EmptyGroup,
    /// A fence is smaller than the one before it.
    FencesUnsorted,
    /// What was read before says that the region is in another block.
    Moved,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstFence => "the block does not begin with its fence",
            Self::NextFence => "the entry behind the block does not have the next fence",
            Self::Unsorted => "an entry does not ascend from the one before it",
            Self::EmptyGroup => "a group of a run has no entries",
            Self::FencesUnsorted => "a fence is smaller than the one before it",
            Self::Moved => "two reads of the index contradict each other",
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
    /// Runs that do not follow each other, have no groups, or are too many.
    #[error("these runs cannot be written: {0}")]
    Runs(RunFault),
    /// More runs than a reader takes.
    #[error("{0} runs are too many, at most {max} are read: fold them", max = crate::RUNS_MAX)]
    TooManyRuns(u64),
    /// A stride that no reader takes.
    #[error("a stride of {0} is not from 1 to {max}", max = crate::STRIDE_MAX)]
    Stride(u32),
    /// First ids that do not ascend within a run.
    #[error("the first id of group {group} does not ascend from the one before it")]
    Unsorted {
        /// The group.
        group: u32,
    },
    /// Bytes were fed to a machine that wants none.
    #[error("nothing is wanted: the search has ended")]
    FedAfterEnd,
    /// A fence that is not there was asked for.
    #[error("there is no fence number {0}")]
    NoSuchFence(u64),
}

/// Why fences cannot be used, or not be written as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source ends inside a structure.
    #[error(
        "{what} at {at:#x}: needs {needed} bytes, but the source ends at {end:#x}: fetch it again"
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
    /// A lookup region of a layout that this reader does not know.
    #[error(
        "lookup header at {at:#x}: version {found} is not supported, only 0 is: search without fences"
    )]
    UnsupportedVersion {
        /// Where the header starts, absolute.
        at: u64,
        /// The version found.
        found: u32,
    },
    /// More than a reader takes.
    #[error("{what} at {at:#x}: {found} is above the limit of {limit}: search without fences")]
    LimitExceeded {
        /// The structure that says so: the header for its runs, a run for its stride.
        what: Structure,
        /// Where it starts, absolute.
        at: u64,
        /// What is there.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A run's record that cannot be.
    #[error("lookup run at {at:#x}: {fault}: search without fences")]
    Run {
        /// Where the record starts, absolute; the header, where there is no run at all.
        at: u64,
        /// What is wrong.
        fault: RunFault,
    },
    /// Groups and fences contradict each other: one of them is damaged, or bytes of two states of the
    /// file are mixed.
    #[error("{what} at {at:#x}: {fault}: fetch it again; in a whole file, search without fences")]
    Contradiction {
        /// A fence, or the block that it leads to.
        what: Structure,
        /// The fence, group or entry that does not fit, absolute.
        at: u64,
        /// What does not fit.
        fault: Contradiction,
    },
    /// The index is at fault.
    #[error(transparent)]
    Index(#[from] dacti_index::Error),
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
            Self::Run { .. } | Self::Contradiction { .. } => ErrorKind::Corrupt,
            Self::Truncated { .. } => ErrorKind::Truncated,
            Self::UnsupportedVersion { .. } => ErrorKind::Unsupported,
            Self::LimitExceeded { .. } => ErrorKind::Limit,
            Self::Index(error) => error.kind(),
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// The structure of the look-up concerned; `None` for a caller's mistake, and for one of the
    /// index, which says its own.
    #[must_use]
    pub const fn what(&self) -> Option<Structure> {
        match self {
            Self::UnsupportedVersion { .. } => Some(Structure::LookupHeader),
            Self::Run { .. } => Some(Structure::LookupRun),
            Self::Truncated { what, .. }
            | Self::LimitExceeded { what, .. }
            | Self::Contradiction { what, .. } => Some(*what),
            Self::Index(_) | Self::Misuse(_) => None,
        }
    }

    /// The absolute file offset concerned; `None` for a caller's mistake.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::Truncated { at, .. }
            | Self::UnsupportedVersion { at, .. }
            | Self::LimitExceeded { at, .. }
            | Self::Run { at, .. }
            | Self::Contradiction { at, .. } => Some(*at),
            Self::Index(error) => error.at(),
            Self::Misuse(_) => None,
        }
    }
}
