//! The faults of a lookup region and of its index, each with its place.

use core::fmt;
use daicon_core::{ErrorKind, to_u64};

/// The structure at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The sixteen bytes that start a lookup region.
    LookupHeader,
    /// The record of one run.
    LookupRun,
    /// A fence.
    LookupFence,
    /// The groups to which a fence leads.
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

/// The fault of a run record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunFault {
    /// A run has no groups, or the region has no runs.
    Empty,
    /// A stride of 0.
    Stride,
    /// The run does not start where the run before it ends.
    FirstGroup,
    /// The number of fences differs from the number of groups divided by the stride, rounded up.
    Fences,
    /// The groups of the run exceed the limit of an index or the last position of a file.
    Groups,
    /// The last run does not end with the last group of the index.
    End,
}

impl fmt::Display for RunFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it has no groups, or the lookup region has no runs",
            Self::Stride => "its stride is 0",
            Self::FirstGroup => "it does not start where the run before it ends",
            Self::Fences => {
                "its number of fences differs from its number of groups divided by its stride, \
                 rounded up"
            }
            Self::Groups => "it has groups past the maximum number of groups of an index",
            Self::End => "it is the last run, but does not end with the last group of the index",
        })
    }
}

/// The contradiction between groups and fences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contradiction {
    /// The block's first entry does not have the block's fence.
    FirstFence,
    /// The next block's first entry does not have the next fence.
    NextFence,
    /// The id of an entry is not larger than the id before it.
    Unsorted,
    /// A group of a run has no entries.
    EmptyGroup,
    /// A fence is smaller than the fence before it in the same run.
    FencesUnsorted,
    /// An earlier read shows that the region must be in another block.
    Moved,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstFence => "the first entry of the block does not match its fence",
            Self::NextFence => "the first entry of the next block does not match its fence",
            Self::Unsorted => "the id of an entry is not above the id before it",
            Self::EmptyGroup => "a group of a run has no entries",
            Self::FencesUnsorted => "a fence is smaller than the one before it",
            Self::Moved => "an earlier read of the index places the id in another block",
        })
    }
}

/// A caller's mistake.
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
    /// Runs that are not consecutive, have no groups, or have too many groups.
    #[error("a run cannot be written: {0}")]
    Runs(RunFault),
    /// More runs than readers accept.
    #[error("{0} runs: readers accept at most {max}: fold the index", max = crate::RUNS_MAX)]
    TooManyRuns(u64),
    /// A stride that readers reject.
    #[error("stride {0}: expected 1 to {max}", max = crate::STRIDE_MAX)]
    Stride(u32),
    /// First ids that do not ascend within a run.
    #[error(
        "the first id of group {group} is not above the first id of the group before it: sort the \
         groups of a run"
    )]
    Unsorted {
        /// The number of the group in the index, from 0.
        group: u32,
    },
    /// Bytes were fed to a machine that wants none.
    #[error("the search has ended and wants no more bytes: stop when `want` returns `None`")]
    FedAfterEnd,
    /// The caller asked for a block that does not exist.
    #[error("the lookup region has no block number {0}")]
    NoSuchFence(u64),
}

/// The reason why fences cannot be used or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source ends inside a structure.
    #[error(
        "{what} at {at:#x}: needs {needed} bytes, but the source ends at {end:#x}: fetch it again"
    )]
    Truncated {
        /// The structure that is incomplete.
        what: Structure,
        /// Start of the structure, absolute.
        at: u64,
        /// Length of the structure in bytes.
        needed: u64,
        /// End of the source, absolute.
        end: u64,
    },
    /// A lookup region of an unsupported version.
    #[error(
        "lookup header at {at:#x}: version {found}, but only version 0 is supported: scan the \
         index instead of using the fences"
    )]
    UnsupportedVersion {
        /// Start of the header, absolute.
        at: u64,
        /// The version found.
        found: u32,
    },
    /// A number exceeds the maximum that a reader accepts.
    #[error(
        "{what} at {at:#x}: the number {found} exceeds the maximum of {limit}: scan the index \
         instead of using the fences"
    )]
    LimitExceeded {
        /// The structure that holds the number: the header for a count of runs, a run for its
        /// stride.
        what: Structure,
        /// Start of the structure, absolute.
        at: u64,
        /// The number found.
        found: u64,
        /// The maximum that a reader accepts.
        limit: u64,
    },
    /// An invalid run record.
    #[error("lookup run at {at:#x}: {fault}: scan the index instead of using the fences")]
    Run {
        /// Start of the record, absolute. If there is no run, the start of the header.
        at: u64,
        /// The fault.
        fault: RunFault,
    },
    /// Groups and fences contradict each other: one of them is damaged, or the bytes are from two
    /// states of the file.
    #[error(
        "{what} at {at:#x}: {fault}: fetch these bytes again; in a local file, scan the index \
         instead of using the fences"
    )]
    Contradiction {
        /// A fence, or the block of a fence.
        what: Structure,
        /// The absolute offset of the fence, group or entry at fault.
        at: u64,
        /// The contradiction.
        fault: Contradiction,
    },
    /// The index is at fault.
    #[error(transparent)]
    Index(#[from] dacti_index::Error),
    /// A mistake of the caller.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48);

impl Error {
    /// Returns the error for a structure at `at` that the read bytes do not hold completely.
    /// `bytes` are these bytes, and start at file position `read_at`.
    pub(crate) fn truncated(
        what: Structure,
        at: u64,
        needed: u64,
        read_at: u64,
        bytes: &[u8],
    ) -> Self {
        Self::Truncated { what, at, needed, end: read_at.saturating_add(to_u64(bytes.len())) }
    }

    /// Returns the error for a group or an entry at `at` that contradicts the fences of its block.
    pub(crate) const fn contradiction(at: u64, fault: Contradiction) -> Self {
        Self::Contradiction { what: Structure::LookupBlock, at, fault }
    }

    /// Returns the kind, for callers to branch on.
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

    /// Returns the structure at fault, if it is a structure of the lookup region. Returns `None`
    /// for faults of the index and for mistakes of the caller.
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

    /// Returns the absolute file offset of the fault; `None` for a mistake of the caller.
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
