//! The one error of this crate: what was being read, where, what was expected and found.
//! Knows nothing of transports: their errors stay with [`ReadError`](crate::ReadError).

use thiserror::Error as ThisError;

use crate::varint::Fault;

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The four bytes that an archive begins with.
    Magic,
    /// The metadata list after the magic.
    Header,
    /// A length, a back-reference or a mark among the blocks.
    Frame,
    /// A block's bytes.
    Block,
    /// A back-reference.
    Reference,
    /// The mark before a root, or the root's CID.
    RootMark,
    /// The index as a whole.
    Index,
    /// One of its records.
    IndexRecord,
    /// The list of its buckets.
    IndexDirectory,
    /// The trailer as a whole.
    Trailer,
    /// The trailer's list of roots.
    RootList,
    /// The SHA3-512 of all CIDs.
    Digest,
    /// The two offsets that end an archive.
    Footer,
    /// A CAR's header.
    CarHeader,
    /// A CAR v2's fixed header.
    CarV2Header,
    /// A length, CID or block of a CAR.
    CarSection,
    /// The links that wait for their blocks.
    PendingLinks,
}

impl core::fmt::Display for Structure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Magic => "magic",
            Self::Header => "header",
            Self::Frame => "frame",
            Self::Block => "block",
            Self::Reference => "back-reference",
            Self::RootMark => "root mark",
            Self::Index => "index",
            Self::IndexRecord => "index record",
            Self::IndexDirectory => "index directory",
            Self::Trailer => "trailer",
            Self::RootList => "root list",
            Self::Digest => "digest of CIDs",
            Self::Footer => "footer",
            Self::CarHeader => "CAR header",
            Self::CarV2Header => "CAR v2 header",
            Self::CarSection => "CAR section",
            Self::PendingLinks => "pending links",
        })
    }
}

/// What callers branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bytes contradict themselves or the specification.
    Corrupt,
    /// The bytes end too early.
    Truncated,
    /// Valid as far as can be told, but not for this reader.
    Unsupported,
    /// A cap of [`Limits`](crate::Limits) was met.
    Limit,
    /// The caller did what the documentation forbids.
    Misuse,
}

impl core::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "corrupt",
            Self::Truncated => "truncated",
            Self::Unsupported => "unsupported",
            Self::Limit => "limit",
            Self::Misuse => "misuse",
        })
    }
}

/// What is wrong with a value that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wrong {
    /// A varint that does not fit in 64 bits.
    VarintOverflow,
    /// A varint that is longer than it need be.
    VarintNotMinimal,
    /// Not a CID.
    Cid,
    /// Not DAG-CBOR of the form that belongs here.
    Cbor,
    /// A mark that stands where it may not, or that nobody defined.
    Mark,
    /// Bytes after the end.
    TrailingBytes,
    /// A root that stood before.
    DuplicateRoot,
    /// Records that are not sorted.
    Unsorted,
    /// A length of zero where there must be something.
    Empty,
    /// A block that no link before it asks for, and that no root mark precedes.
    Unexpected,
    /// A back-reference to a frame that does not stand before it.
    ForwardReference,
    /// A back-reference to a place where no block's frame begins.
    NotAFrame,
    /// A back-reference to a block that the reference is itself a part of.
    Loop,
    /// A back-reference to a block that no link asks for here.
    UnexpectedReference,
    /// The bytes differ from what the blocks say they must be.
    Differs,
}

impl core::fmt::Display for Wrong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::VarintOverflow => "varint exceeds 64 bits",
            Self::VarintNotMinimal => "varint is longer than it need be",
            Self::Cid => "not a CID",
            Self::Cbor => "not the DAG-CBOR that belongs here",
            Self::Mark => "a mark that may not stand here",
            Self::TrailingBytes => "bytes follow the end",
            Self::DuplicateRoot => "this root stood before",
            Self::Unsorted => "not in ascending order",
            Self::Empty => "length is zero",
            Self::Unexpected => "hashes to no expected link, and no root mark precedes it",
            Self::ForwardReference => "points forward, or to itself",
            Self::NotAFrame => "no block begins where it points",
            Self::Loop => "points to a block that it is a part of",
            Self::UnexpectedReference => "no link asks for that block here",
            Self::Differs => "differs from what the blocks before it give",
        })
    }
}

/// What a caller did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misuse {
    /// No block written so far has a pending link to this one: it is out of depth-first order.
    OutOfOrder,
    /// The block's bytes do not hash to the CID given with them.
    WrongCid,
    /// A root that was a root before.
    DuplicateRoot,
    /// A link that is skipped has the same bytes under another CID: a reader could not tell them
    /// apart. Write the block as a root of its own.
    AmbiguousSkip,
    /// The block would be a part of itself.
    Loop,
    /// A repeat of a block that was not written.
    NeverWritten,
    /// An identity CID: its bytes are in the link, it has no frame.
    Identity,
    /// The reader or writer failed before, or is finished.
    Finished,
    /// Blocks were written already.
    TooLate,
    /// The archive has no index.
    NoIndex,
    /// The archive has no such block.
    NoSuchBlock,
}

impl core::fmt::Display for Misuse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::OutOfOrder => "no pending link to this block: it is out of depth-first order",
            Self::WrongCid => "the block does not hash to the CID given with it",
            Self::DuplicateRoot => "this root was written before",
            Self::AmbiguousSkip => {
                "a skipped link has the same bytes under another CID: write the block as a root"
            }
            Self::Loop => "the block would be a part of itself",
            Self::NeverWritten => "repeat of a block that was not written",
            Self::Identity => "an identity CID has no frame of its own",
            Self::Finished => "it failed before, or is finished",
            Self::TooLate => "blocks were written already",
            Self::NoIndex => "the archive has no index: add one with `dacti dar index`",
            Self::NoSuchBlock => "the archive has no such block",
        })
    }
}

/// Everything that can be wrong with an archive, or with the way it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end inside something.
    #[error("{what} at {at:#x}: need {needed} bytes, the archive ends at {end:#x}")]
    Truncated {
        /// What was being read.
        what: Structure,
        /// Where it begins.
        at: u64,
        /// How many bytes it takes from there, as far as is known.
        needed: u64,
        /// Where the bytes end.
        end: u64,
    },
    /// No trailer stands at the end.
    #[error("no trailer at the end ({end:#x}): the archive was cut short or never finished")]
    NoTrailer {
        /// Where the bytes end.
        end: u64,
    },
    /// A number differs from the only one that is right.
    #[error("{what} at {at:#x}: expected {expected:#x}, found {found:#x}")]
    Mismatch {
        /// What was being read.
        what: Structure,
        /// Where it stands.
        at: u64,
        /// What it must be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// A value of the wrong kind.
    #[error("{what} at {at:#x}: {wrong}")]
    Invalid {
        /// What was being read.
        what: Structure,
        /// Where it begins.
        at: u64,
        /// What is wrong with it.
        wrong: Wrong,
    },
    /// A block does not hash to the CID that names it.
    #[error("{what} at {at:#x}: digest must begin {expected:016x}, but begins {found:016x}")]
    WrongHash {
        /// What was being read.
        what: Structure,
        /// Where its bytes begin.
        at: u64,
        /// The first 8 bytes of the CID's digest.
        expected: u64,
        /// The first 8 bytes of the block's own digest.
        found: u64,
    },
    /// An offset that points outside of where it may point.
    #[error("{what} at {at:#x} points to {target:#x}, allowed is {from:#x} up to {to:#x}")]
    OutOfBounds {
        /// What was being read.
        what: Structure,
        /// Where it stands.
        at: u64,
        /// Where it points.
        target: u64,
        /// The first place that would be right.
        from: u64,
        /// One past the last.
        to: u64,
    },
    /// A hash function that this crate does not have.
    #[error("{what} at {at:#x}: unknown hash function {code:#x}, nothing proves the block")]
    UnknownHash {
        /// What was being read.
        what: Structure,
        /// Where it begins.
        at: u64,
        /// The multihash code.
        code: u64,
    },
    /// A version or feature that this crate does not have.
    #[error("{what} at {at:#x}: version or feature {found:#x} is not supported")]
    Unsupported {
        /// What was being read.
        what: Structure,
        /// Where it stands.
        at: u64,
        /// What it says.
        found: u64,
    },
    /// An archive without marks, given to the streaming reader.
    #[error("frame at {at:#x}: an archive without marks is read by random access alone")]
    NoMarks {
        /// Where the first mark should stand.
        at: u64,
    },
    /// A cap was met.
    #[error("{what} at {at:#x}: {found} exceeds the limit of {limit}")]
    LimitExceeded {
        /// What was being read.
        what: Structure,
        /// Where it begins.
        at: u64,
        /// What it asks for.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The caller's mistake.
    #[error("{0}")]
    Misuse(Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48, "errors stay small");

impl Error {
    /// The kind that callers branch on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Truncated { .. } | Self::NoTrailer { .. } => ErrorKind::Truncated,
            Self::Mismatch { .. }
            | Self::Invalid { .. }
            | Self::WrongHash { .. }
            | Self::OutOfBounds { .. } => ErrorKind::Corrupt,
            Self::UnknownHash { .. } | Self::Unsupported { .. } | Self::NoMarks { .. } => {
                ErrorKind::Unsupported
            }
            Self::LimitExceeded { .. } => ErrorKind::Limit,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// The absolute offset that the error is about, where there is one.
    #[must_use]
    pub fn at(&self) -> Option<u64> {
        match *self {
            Self::Truncated { at, .. }
            | Self::Mismatch { at, .. }
            | Self::Invalid { at, .. }
            | Self::WrongHash { at, .. }
            | Self::OutOfBounds { at, .. }
            | Self::UnknownHash { at, .. }
            | Self::Unsupported { at, .. }
            | Self::NoMarks { at }
            | Self::LimitExceeded { at, .. } => Some(at),
            Self::NoTrailer { end } => Some(end),
            Self::Misuse(_) => None,
        }
    }

    /// The structure that the error is about, where there is one.
    #[must_use]
    pub fn what(&self) -> Option<Structure> {
        match *self {
            Self::Truncated { what, .. }
            | Self::Mismatch { what, .. }
            | Self::Invalid { what, .. }
            | Self::WrongHash { what, .. }
            | Self::OutOfBounds { what, .. }
            | Self::UnknownHash { what, .. }
            | Self::Unsupported { what, .. }
            | Self::LimitExceeded { what, .. } => Some(what),
            Self::NoMarks { .. } => Some(Structure::Frame),
            Self::NoTrailer { .. } => Some(Structure::Trailer),
            Self::Misuse(_) => None,
        }
    }

    pub(crate) fn invalid(what: Structure, at: u64, wrong: Wrong) -> Self {
        Self::Invalid { what, at, wrong }
    }

    /// A varint's fault; `end` is where the bytes at hand end.
    pub(crate) fn varint(fault: Fault, what: Structure, at: u64, end: u64) -> Self {
        match fault {
            Fault::Short => {
                let needed = end.saturating_sub(at).saturating_add(1);
                Self::Truncated { what, at, needed, end }
            }
            Fault::Overflow => Self::invalid(what, at, Wrong::VarintOverflow),
            Fault::NotMinimal => Self::invalid(what, at, Wrong::VarintNotMinimal),
        }
    }
}
