//! The error of this crate: the structure, its offset, the expected and the found value. Errors of
//! sources and sinks are in [`ReadError`](crate::ReadError).

use thiserror::Error as ThisError;

use crate::cid::Prefix;
use crate::hash;
use crate::varint::Fault;

/// The structure that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The first four bytes of an archive.
    Magic,
    /// The metadata list after the magic.
    Header,
    /// The order of links, as the header states it.
    LinkOrder,
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
    /// One record of the index.
    IndexRecord,
    /// The list of the index's buckets.
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
    /// The waiting links.
    PendingLinks,
}

impl core::fmt::Display for Structure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Magic => "magic",
            Self::Header => "header",
            Self::LinkOrder => "link order",
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
            Self::PendingLinks => "waiting links",
        })
    }
}

/// The kind of an error, for callers to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bytes contradict themselves or the specification.
    Corrupt,
    /// The bytes end too early.
    Truncated,
    /// The bytes may be valid, but this reader does not support them.
    Unsupported,
    /// A value exceeds one of the [`Limits`](crate::Limits).
    Limit,
    /// The caller broke a rule of the documentation.
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

/// The fault of an invalid value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wrong {
    /// A varint that does not fit in 64 bits.
    VarintOverflow,
    /// A varint that is longer than necessary.
    VarintNotMinimal,
    /// Bytes that are not a CID.
    Cid,
    /// Bytes that are not DAG-CBOR of the expected form.
    Cbor,
    /// A mark in the wrong place, or an undefined mark.
    Mark,
    /// Bytes after the end.
    TrailingBytes,
    /// A root that is listed twice.
    DuplicateRoot,
    /// Records that are not sorted.
    Unsorted,
    /// A length of zero that is not allowed.
    Empty,
    /// A block that no waiting link names, without a root mark before it.
    Unexpected,
    /// A back-reference to itself or to a later offset.
    ForwardReference,
    /// A back-reference to an offset at which no block's frame begins.
    NotAFrame,
    /// A back-reference to a block that contains it.
    Loop,
    /// A back-reference to a block that no waiting link names.
    UnexpectedReference,
    /// A value that differs from the value that the blocks require.
    Differs,
}

impl core::fmt::Display for Wrong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::VarintOverflow => "varint exceeds 64 bits",
            Self::VarintNotMinimal => "varint is not in its shortest form",
            Self::Cid => "not a CID",
            Self::Cbor => "not DAG-CBOR of the expected form",
            Self::Mark => "a mark in the wrong place",
            Self::TrailingBytes => "bytes follow the end",
            Self::DuplicateRoot => "this root is listed twice",
            Self::Unsorted => "not in ascending order",
            Self::Empty => "length is zero",
            Self::Unexpected => "no waiting link names this block, and no root mark precedes it",
            Self::ForwardReference => "points to itself or to a later offset",
            Self::NotAFrame => "no block begins at the offset that it names",
            Self::Loop => "points to a block that contains it",
            Self::UnexpectedReference => "no waiting link names that block",
            Self::Differs => "differs from the value that the blocks require",
        })
    }
}

/// The mistake of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misuse {
    /// No waiting link names this block: it is out of depth-first order.
    OutOfOrder,
    /// The block's bytes do not hash to its CID.
    WrongCid,
    /// A root that was written before.
    DuplicateRoot,
    /// A skipped link names the bytes of this block by another CID, and a reader could not tell the
    /// two links apart. Write the block as a root of its own.
    AmbiguousSkip,
    /// The block would contain itself, directly or through other blocks.
    Loop,
    /// A repeat of a block that was never written.
    NeverWritten,
    /// An identity CID where a CID with a frame is needed. An identity CID contains its block, so
    /// the block has no frame.
    Identity,
    /// The reader or writer has failed or finished before.
    Finished,
    /// The archive has no index.
    NoIndex,
    /// The archive lacks the block.
    NoSuchBlock,
}

impl core::fmt::Display for Misuse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::OutOfOrder => "no waiting link names this block: it is out of depth-first order",
            Self::WrongCid => "the block does not hash to its CID",
            Self::DuplicateRoot => "this root was written before",
            Self::AmbiguousSkip => {
                "a skipped link names the bytes of this block by another CID: write the block as a \
                 root"
            }
            Self::Loop => "the block would contain itself",
            Self::NeverWritten => "this block was never written, so it cannot be repeated",
            Self::Identity => "an identity CID has no frame",
            Self::Finished => "the reader or writer has already failed or finished",
            Self::NoIndex => "the archive has no index: add one with `dacti dar index`",
            Self::NoSuchBlock => "the archive lacks this block",
        })
    }
}

/// The error of this crate: a fault of an archive, or a misuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end inside a structure.
    #[error("{what} at {at:#x}: needs {needed} bytes, but the archive ends at {end:#x}")]
    Truncated {
        /// The structure.
        what: Structure,
        /// Its offset.
        at: u64,
        /// The number of bytes that are needed from that offset on. It may be a lower bound.
        needed: u64,
        /// The offset at which the bytes end.
        end: u64,
    },
    /// The archive does not end in a trailer.
    #[error("no trailer at the end ({end:#x}): the archive was cut short or never finished")]
    NoTrailer {
        /// The offset at which the bytes end.
        end: u64,
    },
    /// A number differs from its only valid value.
    #[error("{what} at {at:#x}: expected {expected:#x}, found {found:#x}")]
    Mismatch {
        /// The structure.
        what: Structure,
        /// Its offset.
        at: u64,
        /// The valid value.
        expected: u64,
        /// The value found.
        found: u64,
    },
    /// An invalid value.
    #[error("{what} at {at:#x}: {wrong}")]
    Invalid {
        /// The structure.
        what: Structure,
        /// Its offset.
        at: u64,
        /// The fault.
        wrong: Wrong,
    },
    /// A block does not hash to its CID.
    #[error("{what} at {at:#x}: its digest begins with {found:016x} instead of {expected:016x}")]
    WrongHash {
        /// The structure.
        what: Structure,
        /// The offset of the block's bytes.
        at: u64,
        /// The first 8 bytes of the CID's digest.
        expected: u64,
        /// The first 8 bytes of the block's own digest.
        found: u64,
    },
    /// An offset outside of its valid range.
    #[error("{what} at {at:#x}: points to {target:#x}, outside of {from:#x}..{to:#x}")]
    OutOfBounds {
        /// The structure.
        what: Structure,
        /// Its offset in the archive.
        at: u64,
        /// The offset that it names.
        target: u64,
        /// The first valid offset.
        from: u64,
        /// The offset after the last valid one.
        to: u64,
    },
    /// A hash function that this crate lacks.
    #[error("{what} at {at:#x}: unknown hash function {code:#x}, so the block cannot be proved")]
    UnknownHash {
        /// The structure.
        what: Structure,
        /// Its offset.
        at: u64,
        /// The multihash code.
        code: u64,
    },
    /// A digest of a known hash function that is too short or too long to prove a block.
    #[error(
        "{what} at {at:#x}: a digest of {len} bytes by hash function {code:#x} cannot prove the \
         block: 20 to {most} bytes are needed"
    )]
    DigestLength {
        /// The structure.
        what: Structure,
        /// Its offset.
        at: u64,
        /// The multihash code.
        code: u64,
        /// The length of the digest.
        len: u16,
        /// The length of the function's whole digest.
        most: u16,
    },
    /// A version or feature that this crate lacks.
    #[error("{what} at {at:#x}: version or feature {found:#x} is not supported")]
    Unsupported {
        /// The structure.
        what: Structure,
        /// Its offset.
        at: u64,
        /// The value found.
        found: u64,
    },
    /// An archive without marks, which the streaming reader cannot read.
    #[error(
        "frame at {at:#x}: this archive has no marks, so it cannot be read in order: read it from \
         a file"
    )]
    NoMarks {
        /// The offset at which the first mark is missing.
        at: u64,
    },
    /// A value exceeds a limit.
    #[error("{what} at {at:#x}: {found} exceeds the limit of {limit}")]
    LimitExceeded {
        /// The structure.
        what: Structure,
        /// Its offset.
        at: u64,
        /// The value found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A mistake of the caller.
    #[error("{0}")]
    Misuse(Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48, "errors stay small");

impl Error {
    /// Returns the kind, for callers to branch on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Truncated { .. } | Self::NoTrailer { .. } => ErrorKind::Truncated,
            Self::Mismatch { .. }
            | Self::Invalid { .. }
            | Self::WrongHash { .. }
            | Self::OutOfBounds { .. } => ErrorKind::Corrupt,
            Self::UnknownHash { .. }
            | Self::DigestLength { .. }
            | Self::Unsupported { .. }
            | Self::NoMarks { .. } => ErrorKind::Unsupported,
            Self::LimitExceeded { .. } => ErrorKind::Limit,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// Returns the absolute offset that the error is about, if there is one.
    #[must_use]
    pub fn at(&self) -> Option<u64> {
        match *self {
            Self::Truncated { at, .. }
            | Self::Mismatch { at, .. }
            | Self::Invalid { at, .. }
            | Self::WrongHash { at, .. }
            | Self::OutOfBounds { at, .. }
            | Self::UnknownHash { at, .. }
            | Self::DigestLength { at, .. }
            | Self::Unsupported { at, .. }
            | Self::NoMarks { at }
            | Self::LimitExceeded { at, .. } => Some(at),
            Self::NoTrailer { end } => Some(end),
            Self::Misuse(_) => None,
        }
    }

    /// Returns the structure that the error is about, if there is one.
    #[must_use]
    pub fn what(&self) -> Option<Structure> {
        match *self {
            Self::Truncated { what, .. }
            | Self::Mismatch { what, .. }
            | Self::Invalid { what, .. }
            | Self::WrongHash { what, .. }
            | Self::OutOfBounds { what, .. }
            | Self::UnknownHash { what, .. }
            | Self::DigestLength { what, .. }
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

    /// Makes the error of a block that a CID of this prefix cannot prove.
    pub(crate) fn unproved(prefix: Prefix, what: Structure, at: u64) -> Self {
        let (code, len) = (prefix.hash, prefix.digest_len);
        match hash::digest_len(code) {
            Some(most) => Self::DigestLength { what, at, code, len, most },
            None => Self::UnknownHash { what, at, code },
        }
    }

    /// Makes the error of a varint; `end` is the offset at which the bytes end.
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
