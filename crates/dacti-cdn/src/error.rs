//! The faults that prevent a layout or an update, each with its place.

use crate::Reason;
use core::fmt;
use daicon_core::ErrorKind;

/// The structure at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The region of the layout component.
    Layout,
    /// The head: the first 65,536 bytes.
    Head,
    /// The first table with its free slots.
    FirstTable,
    /// One of the two places of the second table.
    SecondTable,
    /// A table after the second table.
    Table,
    /// The delta groups of the index.
    DeltaGroups,
    /// The index region.
    Index,
    /// The region of a component.
    ComponentRegion,
    /// The stored bytes of a region.
    StoredRegion,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layout => "layout",
            Self::Head => "head",
            Self::FirstTable => "first table",
            Self::SecondTable => "place of the second table",
            Self::Table => "table",
            Self::DeltaGroups => "delta groups",
            Self::Index => "index region",
            Self::ComponentRegion => "component region",
            Self::StoredRegion => "stored region",
        })
    }
}

/// A fault of a layout component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutFault {
    /// The region is shorter than 80 bytes.
    #[error("needs 80 bytes, but has {0}")]
    TooShort(u64),
    /// The version is not supported.
    #[error("version {0}, but only version 0 is supported")]
    Version(u32),
    /// The head length is not 65,536.
    #[error("head length: expected 65536, found {0}")]
    HeadLen(u32),
    /// The slice length is not a power of two from 4 KiB to 1 GiB.
    #[error("slice length: expected a power of two from 4096 to 1073741824, found {0}")]
    SliceLen(u64),
    /// The end of the package when it was packed is not a multiple of the slice length, or passes
    /// the end of the file.
    #[error(
        "end of the package as packed: expected a multiple of the slice length that is not past \
         the end of the file, found {0:#x}"
    )]
    FreshEnd(u64),
    /// The room for fences ends at 4 GiB or later.
    #[error("end of the room for fences: expected at most 0xffffffff, found {0:#x}")]
    Fences(u64),
}

/// A component that an update needs and the package lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// The layout component. Without it, the package has no room for updates.
    Layout,
    /// The index component.
    Index,
    /// A seal component of a supported version.
    Seals,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layout => {
                "it has no dacti-layout component, so it has no room for updates: make a new \
                 package in the cdn layout, with `compact` or by packing again"
            }
            Self::Index => "it has no index component of a supported version",
            Self::Seals => {
                "its seal component has an unsupported version, so this program cannot seal new \
                 regions: use a newer program"
            }
        })
    }
}

/// A mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A slice length that the format does not allow.
    #[error("slice length {0}: expected a power of two from 4096 to 1073741824")]
    SliceLen(u64),
    /// A slice length shorter than the slice length of the package.
    #[error(
        "slice length: expected at least {expected}, the slice length of the package, found \
         {found}: new bytes would share cached slices with old bytes"
    )]
    SliceTooShort {
        /// The slice length of the package.
        expected: u64,
        /// The slice length of the policy.
        found: u64,
    },
    /// An invalid alignment of regions.
    #[error("alignment of regions: expected a power of two up to the slice length, found {0}")]
    RegionAlign(u64),
    /// The head has no room for this number of delta groups.
    #[error("{found} delta groups: the head has room for at most {max}")]
    DeltaGroups {
        /// Number of groups that the caller asked for.
        found: u32,
        /// The maximum number of groups that fit.
        max: u32,
    },
    /// No edit changes anything.
    #[error("the edits change nothing: give at least one change")]
    NoEdits,
    /// Two edits change the same region or component.
    #[error("edits {first} and {second} change the same region or component: remove one of them")]
    DuplicateEdit {
        /// Number of the first edit.
        first: u32,
        /// Number of the second edit.
        second: u32,
    },
    /// A region or component of 4 GiB or more.
    #[error("edit {edit}: {len} bytes, but a region must be shorter than 4 GiB: split it")]
    TooLong {
        /// Number of the edit.
        edit: u32,
        /// Length in bytes.
        len: u64,
    },
    /// A seal whose length differs from the length of the package's seals.
    #[error(
        "edit {edit}: its seal has {found} bytes, but the package's seals have {expected}: seal it \
         like the other regions"
    )]
    SealLen {
        /// Number of the edit.
        edit: u32,
        /// Length of the package's seals; 0 if it has none.
        expected: u64,
        /// Length of the given seal.
        found: u64,
    },
    /// An encoding tag that is empty, is not text, or is the tag of removals.
    #[error(
        "edit {edit}: the encoding tag must be UTF-8 text padded with zeros, and not `gone`, the \
         tag of removals"
    )]
    Encoding {
        /// Number of the edit.
        edit: u32,
    },
    /// An edit removes a region that does not exist.
    #[error("edit {edit}: the package has no such region to remove")]
    NotThere {
        /// Number of the edit.
        edit: u32,
    },
    /// A component that the package has already.
    #[error(
        "edit {edit}: the entry at {at:#x} has this component already, and readers use only the \
         first such entry: choose another major version"
    )]
    ComponentExists {
        /// Number of the edit.
        edit: u32,
        /// Position of the component's entry, absolute.
        at: u64,
    },
    /// A component that a plan writes by itself, or that only a packer can write.
    #[error("edit {edit}: packers and updaters write this component themselves: remove the edit")]
    ComponentReserved {
        /// Number of the edit.
        edit: u32,
    },
    /// A plan cannot have this many edits.
    #[error("{0} edits are too many for one plan: make several updates")]
    TooManyEdits(u64),
    /// Bytes were fed to a machine that has ended.
    #[error("the machine has ended and wants no more bytes: stop when `want` returns `None`")]
    FedAfterEnd,
    /// `finish` was called before the machine had all bytes.
    #[error("the machine still wants bytes: feed them before `finish`")]
    NotFed,
    /// The update needs a fold, but the entries of the index were not read.
    #[error(
        "the update needs a fold, and a fold needs all entries of the index: read them with \
         `Snapshot::entries_reader` first"
    )]
    IndexNeeded,
    /// The update writes a run of changes, but the entries of the earlier changes were not read.
    #[error(
        "the update writes a run of changes, and this needs the entries before the base groups: \
         read them with `Snapshot::changes_reader` first"
    )]
    ChangesNeeded,
    /// The plan was not made from this snapshot.
    #[error("the plan was not made from this snapshot: take both from the same state of the file")]
    NotDerived,
}

/// Why a package cannot be laid out or updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The container is at fault.
    #[error(transparent)]
    Container(#[from] daicon_core::Error),
    /// The index is at fault.
    #[error(transparent)]
    Index(#[from] dacti_index::Error),
    /// The seal component is at fault.
    #[error(transparent)]
    Seal(#[from] dacti_seal::Error),
    /// Fences of a new index cannot be written.
    #[error(transparent)]
    Lookup(#[from] dacti_lookup::Error),
    /// The layout component is at fault.
    #[error("layout at {at:#x}: {fault}")]
    Layout {
        /// Start of the component's region, absolute.
        at: u64,
        /// The fault.
        fault: LayoutFault,
    },
    /// The list of parts, or the head that holds it, is at fault.
    #[error(transparent)]
    Parts(#[from] crate::parts_fault::PartsError),
    /// The package cannot be updated in place.
    #[error("the package cannot be updated: {0}")]
    NotUpdatable(Missing),
    /// Room for updates passes the end of the head.
    #[error("{what} at {at:#x}: ends at {end:#x}, but the head ends at 0x10000")]
    OutsideHead {
        /// The structure with the room.
        what: Structure,
        /// Start of the room, absolute.
        at: u64,
        /// End of the room, absolute.
        end: u64,
    },
    /// Room for updates overlaps bytes in use.
    #[error("{what} at {at:#x}: overlaps {other} at {other_at:#x}, which an update would damage")]
    Overlap {
        /// The structure with the room.
        what: Structure,
        /// Start of the room, absolute.
        at: u64,
        /// The structure in use that the room overlaps.
        other: Structure,
        /// Start of the structure in use, absolute.
        other_at: u64,
    },
    /// More delta groups than the index has groups.
    #[error(
        "delta groups at {at:#x}: the layout states {found}, but the index has only {groups} groups"
    )]
    DeltaGroups {
        /// Start of the index, absolute.
        at: u64,
        /// The number of delta groups that the layout states.
        found: u32,
        /// Number of groups of the index.
        groups: u32,
    },
    /// The groups of an index do not fill its region.
    #[error(
        "index header at {at:#x}: {groups} groups do not fill the {len} bytes of the component's \
         region, as they must in a package with a layout: fetch the package again"
    )]
    IndexNotFilled {
        /// Start of the index, absolute.
        at: u64,
        /// Number of groups that the index header states.
        groups: u32,
        /// Length of the index region in bytes.
        len: u64,
    },
    /// A group without entries, in an index that lies after the head.
    #[error(
        "group header at {at:#x}: the group has no entries, but this index begins after the head, \
         so each of its groups must have entries: fetch the package again"
    )]
    EmptyGroup {
        /// Start of the group, absolute.
        at: u64,
    },
    /// A count exceeds the number that readers or this planner accept.
    #[error(
        "{what}: found {found}, but the limit is {limit}: make a new package with `compact`, or \
         pack again"
    )]
    LimitExceeded {
        /// The subject of the limit.
        what: LimitOf,
        /// The count that was found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// No strategy publishes the update by one switch.
    #[error("one switch cannot publish these edits: {reason}: {}", help(.reason))]
    NoStrategy {
        /// The reason why the last strategy that the planner tried cannot publish the edits.
        reason: Reason,
    },
    /// The update would pass the last position of a file, 2^64 - 1.
    #[error("the update would end after 2^64 - 1, the last position of a file")]
    PastLastPosition,
    /// A mistake of the caller.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48);

/// The subject of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitOf {
    /// Runs of an index.
    Runs,
    /// Encodings in one index.
    Encodings,
    /// Tables of a file.
    Tables,
    /// Components of a file.
    Components,
}

impl fmt::Display for LimitOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runs => "runs of the new index",
            Self::Encodings => "encodings",
            Self::Tables => "tables",
            Self::Components => "components",
        })
    }
}

fn help(reason: &Reason) -> &'static str {
    match reason {
        Reason::NoSecondTable => {
            "make a new package in the cdn layout, with `compact` or by packing again"
        }
        _ => "publish the edits in several updates",
    }
}

impl Error {
    /// Returns the kind, for callers to branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Container(error) => error.kind(),
            Self::Parts(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::Seal(error) => match error.kind() {
                dacti_seal::ErrorKind::Truncated => ErrorKind::Truncated,
                dacti_seal::ErrorKind::Unsupported => ErrorKind::Unsupported,
                dacti_seal::ErrorKind::Limit => ErrorKind::Limit,
                dacti_seal::ErrorKind::Misuse => ErrorKind::Misuse,
                // `dacti_seal` may add kinds. A new kind counts as damage until it is listed here.
                _ => ErrorKind::Corrupt,
            },
            Self::Lookup(error) => error.kind(),
            Self::Layout { fault: LayoutFault::Version(_), .. }
            | Self::NotUpdatable(_)
            | Self::NoStrategy { .. } => ErrorKind::Unsupported,
            Self::Layout { .. }
            | Self::OutsideHead { .. }
            | Self::Overlap { .. }
            | Self::IndexNotFilled { .. }
            | Self::EmptyGroup { .. }
            | Self::DeltaGroups { .. } => ErrorKind::Corrupt,
            Self::LimitExceeded { .. } | Self::PastLastPosition => ErrorKind::Limit,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// Returns the structure at fault. Returns `None` if no structure is at fault, and for the
    /// error of a lower crate, which names its own structure.
    #[must_use]
    pub const fn what(&self) -> Option<Structure> {
        match self {
            Self::Layout { .. } => Some(Structure::Layout),
            Self::DeltaGroups { .. } => Some(Structure::DeltaGroups),
            Self::IndexNotFilled { .. } | Self::EmptyGroup { .. } => Some(Structure::Index),
            Self::OutsideHead { what, .. } | Self::Overlap { what, .. } => Some(*what),
            _ => None,
        }
    }

    /// Returns the absolute file offset of the fault; `None` if no bytes are at fault.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::Container(error) => error.at(),
            Self::Parts(error) => Some(error.at()),
            Self::Index(error) => error.at(),
            Self::Seal(error) => error.at(),
            Self::Lookup(error) => error.at(),
            Self::Layout { at, .. }
            | Self::OutsideHead { at, .. }
            | Self::IndexNotFilled { at, .. }
            | Self::EmptyGroup { at }
            | Self::DeltaGroups { at, .. }
            | Self::Overlap { at, .. } => Some(*at),
            _ => None,
        }
    }
}
