//! The reasons why a package cannot be published in parts as asked.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Publishing".

use super::ErrorKind;

/// The reason why a publication or a head was refused. Readers see no change, except after
/// [`PartLost`](Self::PartLost).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishFault {
    /// The head was replaced between the read and the write of this publisher.
    #[error(
        "{place}: another publisher replaced the head in the meantime, so your changes were not \
         published: run the command again"
    )]
    Conflict {
        /// The head's place, without credentials.
        place: String,
    },
    /// The destination holds updates that the package does not have.
    #[error(
        "{place} was updated by somebody else: it holds {theirs} that {package} does not have, and \
         publishing would lose this data: pull the published package first, or pass --replace to \
         overwrite it"
    )]
    Diverged {
        /// The head's place, without credentials.
        place: String,
        /// The package that was to be published.
        package: String,
        /// The bytes or updates that would be lost, in words.
        theirs: String,
    },
    /// The destination holds another package.
    #[error(
        "{place} holds another package (file id {found}, not {expected}): pass --replace to put \
         this package in its place; readers of the other package then see that it was replaced"
    )]
    OtherPackage {
        /// The head's place, without credentials.
        place: String,
        /// File id of the package that was to be published, in hexadecimal digits.
        expected: String,
        /// File id of the package at the destination, in hexadecimal digits.
        found: String,
    },
    /// A package in the compact layout, which has no room for a list of parts.
    #[error(
        "a package in the compact layout cannot be published in parts: make one with \
         `dacti compact PKG -o NEW --layout cdn` and publish NEW, or publish this one as one \
         object, with --form whole"
    )]
    NoLayout,
    /// The destination holds an object that is not the head of a package in parts.
    #[error(
        "{place} holds an object that is not the head of a package in parts: delete it first, or \
         choose another name"
    )]
    NotAHead {
        /// The object's place, without credentials.
        place: String,
    },
    /// The destination holds a package in parts, and the caller publishes one file there.
    #[error(
        "{place} holds a package in parts: publish in parts, or pass --replace to put one file in \
         its place; its readers then see that it was replaced"
    )]
    InParts {
        /// The head's place, without credentials.
        place: String,
    },
    /// The package is too long for one object.
    #[error(
        "the package has {len} bytes, but one object takes at most {limit}: publish it in parts"
    )]
    WholeTooLong {
        /// Length of the package, in bytes.
        len: u64,
        /// The maximum length of one object, in bytes.
        limit: u64,
    },
    /// There is no head at the destination.
    #[error("{place} holds no package: publish one there first, with `dacti publish`")]
    NoHead {
        /// The place, without credentials.
        place: String,
    },
    /// An object is missing although it was stored.
    #[error(
        "{place}: the part {object} is missing after it was stored, and again after a second try: \
         does a lifecycle rule of the store delete objects?"
    )]
    PartLost {
        /// The head's place, without credentials.
        place: String,
        /// The object's name, relative to the head's folder.
        object: String,
    },
    /// The store has no conditional writes, which replace an object only if it is unchanged.
    #[error(
        "{place}: the store does not support conditional writes, which keep two publishers from \
         overwriting each other: pass --unconditional if this is the only publisher"
    )]
    Unconditional {
        /// The head's place, without credentials.
        place: String,
    },
    /// A name that a head cannot have.
    #[error(
        "{name:?} cannot be the name of a published package: it must be one plain path segment"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A prefix that could lead out of the head's folder.
    #[error(
        "{prefix:?} cannot be the folder of the parts: it must be a relative path of plain \
         segments that ends with a slash, of at most 240 bytes"
    )]
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// The grace is shorter than one hour.
    #[error(
        "a grace of {seconds} seconds is too short: uploads in progress could lose their parts; \
         give at least 3600"
    )]
    Grace {
        /// The grace, in seconds.
        seconds: u64,
    },
    /// The published head is signed, but the new head would have no signature.
    #[error(
        "the head of {place} is signed, so the new head needs a signature too: add it with --sign \
         KEY, or leave it out with --unsigned"
    )]
    NeedsKey {
        /// The head's place, without credentials.
        place: String,
    },
    /// A signature is required, and none of the trusted keys has signed the head.
    #[error(
        "head at 0x0: no trusted key has signed it, so anybody could have written its list of parts"
    )]
    UnsignedHead,
    /// The head has expired.
    #[error(
        "head at 0x0: it expired at the Unix time {expiry}: fetch it again, bypassing caches; if \
         it is still expired, its publisher must publish a new head"
    )]
    ExpiredHead {
        /// The time at which the head expired, in seconds since 1970.
        expiry: u64,
    },
    /// The history has no version with this sequence.
    #[error("{place} has no version {sequence}: `dacti log` lists the versions")]
    NoVersion {
        /// The head's place, without credentials.
        place: String,
        /// The sequence that was asked for.
        sequence: u64,
    },
}

impl PublishFault {
    /// Returns the kind of the fault, for callers to branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } => ErrorKind::Unavailable,
            Self::Diverged { .. }
            | Self::OtherPackage { .. }
            | Self::InParts { .. }
            | Self::UnsignedHead
            | Self::ExpiredHead { .. } => ErrorKind::Denied,
            Self::NotAHead { .. } | Self::PartLost { .. } => ErrorKind::Corrupt,
            Self::NoHead { .. } | Self::NoVersion { .. } => ErrorKind::NotFound,
            Self::Unconditional { .. } => ErrorKind::Unsupported,
            Self::Name { .. }
            | Self::Prefix { .. }
            | Self::Grace { .. }
            | Self::NoLayout
            | Self::NeedsKey { .. } => ErrorKind::Misuse,
            Self::WholeTooLong { .. } => ErrorKind::Limit,
        }
    }
}
