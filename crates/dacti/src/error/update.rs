//! The faults that occur only in updates.

use super::{ErrorKind, shown};
use core::fmt;
use dacti_cdn::{Digest, Fault, State};
use std::path::PathBuf;
use uuid::Uuid;

/// The reason why a package cannot be updated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateFault {
    /// Another writer is updating the file.
    #[error(
        "{} is being updated by another writer: wait until that writer ends, or stop it (an \
         unfinished update harms no reader, and the next update starts after its bytes)",
        shown(.path)
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Another file has replaced the package under the same name.
    #[error(
        "another file has replaced {} since the update began: nothing was written to the new file; \
         start the update again",
        shown(.path)
    )]
    Replaced {
        /// The file's name.
        path: PathBuf,
    },
    /// A plan that would break a law of publishing, or that belongs to another package.
    #[error(transparent)]
    Plan(#[from] Fault),
    /// The file is in none of the states that the plan expects.
    #[error(transparent)]
    State(Box<StateFault>),
    /// Bytes after the old end of the file do not belong to this plan.
    #[error(
        "step {step}: the bytes at {at:#x} do not belong to this plan, and written bytes are \
         never overwritten: plan the update anew"
    )]
    OtherBytes {
        /// Number of the step, from 1.
        step: usize,
        /// The first byte that differs, absolute.
        at: u64,
    },
    /// The bytes to write differ from the bytes for which the plan was made.
    #[error(
        "the bytes to write at {at:#x} have the digest {found}, but the plan states {expected}: \
         the bytes were changed, or belong to another plan"
    )]
    Payload {
        /// The absolute position of these bytes in the package.
        at: u64,
        /// The digest in the plan.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// The caller asked for a step that the plan does not have.
    #[error("the plan has {steps} steps, so there is no step {step}")]
    NoStep {
        /// The number of the requested step, from 1.
        step: usize,
        /// The number of steps that the plan has.
        steps: usize,
    },
    /// The caller asked for a step other than the next one.
    #[error("step {step} is out of order: the next step is {next}")]
    NotNext {
        /// The number of the requested step, from 1.
        step: usize,
        /// The number of the next step, from 1.
        next: usize,
    },
    /// The caller starts a plan that was started before.
    #[error(
        "the plan was started before, and step {step} is next: resume it, or plan the update anew"
    )]
    Begun {
        /// Number of the step that is next, from 1.
        step: usize,
    },
    /// The package is signed, but the caller neither gave a key nor allowed unsigned regions.
    #[error(
        "the package is signed: give its key, or leave new regions and removals unsigned (readers \
         who require signatures refuse them)"
    )]
    NeedsKey,
    /// The caller gave a key, but the package has no signatures.
    #[error("the package is not signed, so it has no room for signatures: leave the key out")]
    NotSigned,
    /// The caller gave a key for a package other than this one.
    #[error(
        "the key is for the package {found}, but this package is {expected}: give the key of this \
         package, or give its UUID with the key"
    )]
    KeyOfOtherPackage {
        /// The package's UUID.
        expected: Uuid,
        /// The UUID of the key's package.
        found: Uuid,
    },
    /// The caller gave a key that the package does not name.
    #[error(
        "the seals of the package do not name this key: sign with one of the keys that `dacti \
         inspect` shows"
    )]
    OtherKey,
    /// A region that is both put and removed.
    #[error("{name} is both put and removed in one update: leave out one of these edits")]
    PutAndRemoved {
        /// The region.
        name: String,
    },
    /// A data file whose length differs from the total length of its plan's blocks.
    #[error(
        "{} has {found} bytes, but the plan appends {expected}: take plan and data file from the \
         same place, or plan the update anew",
        shown(.path)
    )]
    DataLen {
        /// The data file.
        path: PathBuf,
        /// The total length of the plan's blocks, without the zeros at their ends.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// A file that is not a saved plan.
    #[error("{} is not a plan: {reason}", shown(.path))]
    NotAPlan {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl UpdateFault {
    /// Returns the kind of the fault, for callers that branch on it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Payload { .. } | Self::NotAPlan { .. } | Self::DataLen { .. } => {
                ErrorKind::Corrupt
            }
            Self::Locked { .. }
            | Self::Replaced { .. }
            | Self::Plan(_)
            | Self::State(_)
            | Self::OtherBytes { .. }
            | Self::NoStep { .. }
            | Self::NotNext { .. }
            | Self::Begun { .. }
            | Self::NeedsKey
            | Self::NotSigned
            | Self::KeyOfOtherPackage { .. }
            | Self::OtherKey
            | Self::PutAndRemoved { .. } => ErrorKind::Misuse,
        }
    }
}

/// The fault of a file that is in none of the plan's states. The fault holds the states that are
/// expected before and after the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateFault {
    /// Number of the next step, from 1.
    pub step: usize,
    /// The current state of the file.
    pub found: State,
    /// The expected state before the step.
    pub before: State,
    /// The expected state after the step.
    pub after: State,
}

impl core::error::Error for StateFault {}

impl fmt::Display for StateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, found, before, after } = self;
        write!(
            f,
            "step {step}: the file is neither in the state before this step nor in the state after \
             it: "
        )?;
        if found.len == before.len || found.len == after.len {
            write!(f, "its head has the digest {}, ", found.head)?;
            write!(f, "expected {}", before.head)?;
            if after.head != before.head {
                write!(f, " or {}", after.head)?;
            }
        } else {
            write!(f, "it is {} bytes long, expected {}", found.len, before.len)?;
            if after.len != before.len {
                write!(f, " to {}", after.len)?;
            }
        }
        f.write_str(" (another program has changed the file: plan the update anew)")
    }
}
