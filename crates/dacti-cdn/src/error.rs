//! What can keep a package from being updated, and where.

use crate::Reason;
use core::fmt;
use daicon_core::ErrorKind;

/// The structure that an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The region of the layout component.
    Layout,
    /// The first 65,536 bytes.
    Head,
    /// The first table with its free slots.
    FirstTable,
    /// One of the two places of the second table.
    SecondTable,
    /// A further table.
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
            Self::Head => "package head",
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

/// What a published package may lack that an update needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// The layout component: nobody left room for updates.
    Layout,
    /// The index component.
    Index,
    /// A seal component of a version that is known.
    Seals,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layout => {
                "it has no dacti-layout component, so it was packed for files that never change \
                 and has no room for updates: make a package in the cdn layout of it"
            }
            Self::Index => "it has no index component of a version that is known",
            Self::Seals => {
                "its seal component is of a version that is not known, so new regions could not \
                 be sealed as the others are: a newer program is needed"
            }
        })
    }
}

/// A caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A slice length that the format does not allow.
    #[error("slice length: {0} is not possible, a power of two from 4 KiB to 1 GiB is")]
    SliceLen(u64),
    /// A slice length below the package's own.
    #[error(
        "slice length: {found} is below the {expected} that the package was laid out for: fresh \
         bytes would share cached slices with old ones"
    )]
    SliceTooShort {
        /// The package's own.
        expected: u64,
        /// What the policy asks for.
        found: u64,
    },
    /// An alignment of regions that is not possible.
    #[error("alignment of regions: {0} is not possible, a power of two up to the slice length is")]
    RegionAlign(u64),
    /// Delta groups that the head has no room for.
    #[error("{found} delta groups do not fit the package head, at most {max} do")]
    DeltaGroups {
        /// Groups asked for.
        found: u32,
        /// The most that fit.
        max: u32,
    },
    /// There is nothing to do.
    #[error("there is nothing to change: no edit was given that changes anything")]
    NoEdits,
    /// Two edits of one region or component.
    #[error("edits {first} and {second} are of the same region or component: give one of them")]
    DuplicateEdit {
        /// Number of the one.
        first: u32,
        /// Number of the other.
        second: u32,
    },
    /// A region or component longer than its 32-bit size can say.
    #[error(
        "edit {edit}: {len} bytes do not fit a size of 32 bits: split it into pieces below 4 GiB"
    )]
    TooLong {
        /// Number of the edit.
        edit: u32,
        /// Length in bytes.
        len: u64,
    },
    /// A seal of another length than the package's seals have.
    #[error(
        "edit {edit}: its seal has {found} bytes, the package's seals have {expected}: seal it as \
         the package says"
    )]
    SealLen {
        /// Number of the edit.
        edit: u32,
        /// What the package's seal component says; 0 where it has none.
        expected: u64,
        /// What was given.
        found: u64,
    },
    /// An encoding tag that is no text, or empty.
    #[error("edit {edit}: its encoding tag is not UTF-8 text padded with zeros")]
    Encoding {
        /// Number of the edit.
        edit: u32,
    },
    /// A region is to be removed that is not there.
    #[error("edit {edit}: there is no such region to remove")]
    NotThere {
        /// Number of the edit.
        edit: u32,
    },
    /// A component that the package has.
    #[error(
        "edit {edit}: the package has this component in the entry at {at:#x}, and readers take \
         the first: choose another major version"
    )]
    ComponentExists {
        /// Number of the edit.
        edit: u32,
        /// Where its entry stands, absolute.
        at: u64,
    },
    /// A component that a plan writes by itself, or that only a new package can have.
    #[error("edit {edit}: this component is the package's own and cannot be added")]
    ComponentReserved {
        /// Number of the edit.
        edit: u32,
    },
    /// More edits than a plan numbers.
    #[error("{0} edits are more than one plan takes: make several updates")]
    TooManyEdits(u64),
    /// Bytes were fed to a machine that wants none.
    #[error("nothing is wanted: the walk has ended")]
    FedAfterEnd,
    /// A machine was asked for its result before it had all bytes.
    #[error("there are bytes to be fed yet")]
    NotFed,
    /// A fold is needed, and the index has not been read.
    #[error(
        "the update needs a fold, and so all entries of the index: read it with \
         `Snapshot::entries_reader` first"
    )]
    IndexNeeded,
    /// Derived bytes were asked for that the plan does not have, or of another snapshot.
    #[error("the plan's derived bytes are not those of this snapshot and these edits")]
    NotDerived,
}

/// Why a package cannot be laid out or updated as asked.
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
        /// Where the component's region starts, absolute.
        at: u64,
        /// What is wrong.
        fault: LayoutFault,
    },
    /// The package cannot be updated in place.
    #[error("the package cannot be updated: {0}")]
    NotUpdatable(Missing),
    /// Room for updates that is not in the head.
    #[error("{what} at {at:#x}: ends at {end:#x}, but the package head ends at 0x10000")]
    OutsideHead {
        /// What should be in the head.
        what: Structure,
        /// Where it starts, absolute.
        at: u64,
        /// Where it ends, absolute.
        end: u64,
    },
    /// Room for updates that something else claims.
    #[error(
        "{what} at {at:#x}: shares bytes with {other} at {other_at:#x}: an update would damage it"
    )]
    Overlap {
        /// What was left for updates.
        what: Structure,
        /// Where it starts, absolute.
        at: u64,
        /// What lies there too.
        other: Structure,
        /// Where that starts, absolute.
        other_at: u64,
    },
    /// More delta groups than the index has groups.
    #[error("delta groups at {at:#x}: the layout names {found}, the index has {groups} groups")]
    DeltaGroups {
        /// Where the index starts, absolute.
        at: u64,
        /// What the layout says.
        found: u32,
        /// Groups of the index.
        groups: u32,
    },
    /// Something is larger than a format or this planner allows.
    #[error(
        "{what}: {found} are more than the {limit} that are possible: make a new package, with \
         `compact` or by packing again"
    )]
    LimitExceeded {
        /// Of what there are too many.
        what: LimitOf,
        /// How many there would be.
        found: u64,
        /// How many may be.
        limit: u64,
    },
    /// No strategy publishes the update by one switch.
    #[error("no way to publish this by one switch: {reason}: {}", help(.reason))]
    NoStrategy {
        /// Why the last that could have was not taken.
        reason: Reason,
    },
    /// The update would pass the last position that a file can have.
    #[error("the update passes the last position that a file can have")]
    PastLastPosition,
    /// The caller's mistake, not the file's.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48);

/// What there can be too many of.
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
            "make a new package of it in the cdn layout, with `compact` or by packing again"
        }
        _ => "publish it in several updates",
    }
}

impl Error {
    /// What to branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Container(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::Seal(error) => match error.kind() {
                dacti_seal::ErrorKind::Truncated => ErrorKind::Truncated,
                dacti_seal::ErrorKind::Unsupported => ErrorKind::Unsupported,
                dacti_seal::ErrorKind::Limit => ErrorKind::Limit,
                dacti_seal::ErrorKind::Misuse => ErrorKind::Misuse,
                // The lower enum may grow; what is new there is new damage until it is named.
                _ => ErrorKind::Corrupt,
            },
            Self::Lookup(error) => error.kind(),
            Self::Layout { fault: LayoutFault::Version(_), .. }
            | Self::NotUpdatable(_)
            | Self::NoStrategy { .. } => ErrorKind::Unsupported,
            Self::Layout { .. }
            | Self::OutsideHead { .. }
            | Self::Overlap { .. }
            | Self::DeltaGroups { .. } => ErrorKind::Corrupt,
            Self::LimitExceeded { .. } | Self::PastLastPosition => ErrorKind::Limit,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// The structure concerned, where it is one of the layout's: those of lower layers are in the
    /// error that is wrapped.
    #[must_use]
    pub const fn what(&self) -> Option<Structure> {
        match self {
            Self::Layout { .. } => Some(Structure::Layout),
            Self::DeltaGroups { .. } => Some(Structure::DeltaGroups),
            Self::OutsideHead { what, .. } | Self::Overlap { what, .. } => Some(*what),
            _ => None,
        }
    }

    /// The absolute file offset concerned; `None` where no bytes are at fault.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::Container(error) => error.at(),
            Self::Index(error) => error.at(),
            Self::Seal(error) => error.at(),
            Self::Lookup(error) => error.at(),
            Self::Layout { at, .. }
            | Self::OutsideHead { at, .. }
            | Self::DeltaGroups { at, .. }
            | Self::Overlap { at, .. } => Some(*at),
            _ => None,
        }
    }
}
