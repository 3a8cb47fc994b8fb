//! The faults of seals and keys, each with its place, and the refusals of a policy.

use core::fmt;
use uuid::Uuid;

/// The kind of an error, for programs to branch on: the kinds of the lower crates, and one kind for
/// refusals by a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes differ from the sealed bytes.
    Corrupt,
    /// The source ends before a structure does.
    Truncated,
    /// A version or kind that this reader does not support.
    Unsupported,
    /// A count that exceeds what a reader accepts.
    Limit,
    /// A mistake of the caller, such as a text that is not a key.
    Misuse,
    /// Nothing is damaged, but the caller's policy refuses the region.
    Denied,
}

impl From<daicon_core::ErrorKind> for ErrorKind {
    fn from(kind: daicon_core::ErrorKind) -> Self {
        match kind {
            daicon_core::ErrorKind::Truncated => Self::Truncated,
            daicon_core::ErrorKind::Unsupported => Self::Unsupported,
            daicon_core::ErrorKind::Limit => Self::Limit,
            daicon_core::ErrorKind::Misuse => Self::Misuse,
            // A new kind of the lower enum counts as damage until it is listed here.
            _ => Self::Corrupt,
        }
    }
}

/// The structure at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The seal component's region.
    SealComponent,
    /// A region's stored bytes.
    StoredRegion,
    /// The seal after a region's stored bytes.
    Seal,
    /// The signature in a seal.
    Signature,
    /// A structure of the container that gives the place of the seal component in the file.
    Container(daicon_core::Structure),
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SealComponent => "seal component",
            Self::StoredRegion => "stored region",
            Self::Seal => "seal",
            Self::Signature => "signature",
            Self::Container(what) => return what.fmt(f),
        })
    }
}

/// The reason why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyFault {
    /// The text is longer than [`KEY_TEXT_LEN_MAX`](crate::KEY_TEXT_LEN_MAX).
    TooLong,
    /// The text has no line with a key.
    Missing,
    /// The text has several lines with keys.
    Several,
    /// The line does not have four words.
    Words,
    /// The first word is not `dacti-ed25519-public`.
    NotPublic,
    /// The first word is not `dacti-ed25519-private`.
    NotPrivate,
    /// The version is not 1.
    Version,
    /// The key is not 64 hexadecimal digits.
    Hex,
    /// The last word is not a package UUID.
    Package,
    /// The digits are not a public key, or are a weak key, for which anybody can forge signatures.
    Point,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "is too long for a key",
            Self::Missing => "has no key",
            Self::Several => "has more than one key: put each key into a file of its own",
            Self::Words => {
                "is neither `dacti-ed25519-public 1 HEX UUID` nor `dacti-ed25519-private 1 HEX \
                 UUID`"
            }
            Self::NotPublic => "is not a public key: it does not begin with `dacti-ed25519-public`",
            Self::NotPrivate => {
                "is not a private key: it does not begin with `dacti-ed25519-private`"
            }
            Self::Version => "has a version other than 1: use a newer program",
            Self::Hex => "does not have 64 hexadecimal digits",
            Self::Package => "does not end with the UUID of the publisher's package",
            Self::Point => "has digits that are not an Ed25519 public key",
        })
    }
}

/// A mistake of the caller.
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
    /// More keys than readers accept.
    #[error("{0} keys: readers accept at most {max}", max = crate::KEYS_MAX)]
    TooManyKeys(u64),
    /// More seals after a region than readers accept.
    #[error("{0} seals after a region: readers accept at most {max}", max = crate::SEALS_MAX)]
    TooManySeals(u32),
    /// The caller has signed a region, but the package's seals have no room for signatures.
    #[error("this package has digests but no room for signatures: pack it again with a key")]
    NoRoomForSignature,
    /// The policy requires a signature, but trusts no key.
    #[error("no key is trusted: name at least one, or require digests only")]
    NoKeys,
    /// The caller asked for verified bytes, but its policy requires nothing.
    #[error(
        "the policy requires nothing of seals, so no seal is checked: require a digest or a \
         signature"
    )]
    NothingRequired,
    /// The verifier was given more or fewer bytes than the region has.
    #[error("the stored region has {len} bytes, but {given} were given")]
    Length {
        /// Number of stored bytes of the region.
        len: u64,
        /// Number of bytes that the verifier was given.
        given: u64,
    },
    /// A text that is not a key.
    #[error("the text {0}")]
    KeyText(KeyFault),
}

/// The reason why a region is refused, or cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source ends inside a structure.
    #[error(
        "{what} at {at:#x}: needs {needed} bytes, but the source ends at {end:#x}: fetch it again"
    )]
    Truncated {
        /// The structure at fault.
        what: Structure,
        /// Start of the structure, absolute.
        at: u64,
        /// Length of the structure in bytes.
        needed: u64,
        /// End of the source, absolute.
        end: u64,
    },
    /// A seal component of an unsupported version.
    #[error(
        "seal component at {at:#x}: version {found}, but only version 0 is supported: use a newer \
         reader"
    )]
    UnsupportedVersion {
        /// Start of the component's region, absolute.
        at: u64,
        /// The version found.
        found: u32,
    },
    /// An unsupported kind of seals.
    #[error(
        "seal component at {at:#x}: seals of kind {found}, but only kinds 1 to 4 are supported: \
         use a newer reader"
    )]
    UnsupportedKind {
        /// Start of the component's region, absolute.
        at: u64,
        /// The kind found.
        found: u32,
    },
    /// More keys than a reader accepts.
    #[error("seal component at {at:#x}: {found} keys, but the limit is {limit}")]
    LimitExceeded {
        /// Start of the component's region, absolute.
        at: u64,
        /// Number of keys found.
        found: u64,
        /// The maximum number of keys that readers accept.
        limit: u64,
    },
    /// More seals after a region than a reader accepts.
    #[error("seal component at {at:#x}: {found} seals after a region, but the limit is {limit}")]
    TooManySeals {
        /// Start of the component's region, absolute.
        at: u64,
        /// Number of seals found.
        found: u64,
        /// The maximum number of seals that readers accept.
        limit: u64,
    },
    /// A seal that passes the last position of a file, 2^64 - 1.
    #[error("seal at {at:#x}: ends after 2^64 - 1, the last position of a file")]
    OutOfBounds {
        /// Start of the seal, absolute.
        at: u64,
    },
    /// Bytes that differ from the sealed bytes.
    #[error(
        "{what} at {at:#x}: altered: its bytes differ from the sealed bytes: fetch it again, or \
         get the package anew"
    )]
    Altered {
        /// The altered structure: the stored bytes, the signature or the component.
        what: Structure,
        /// Start of the altered structure, absolute.
        at: u64,
    },
    /// The bytes were sealed under the id of a different region.
    #[error(
        "stored region at {at:#x}: swapped: asked for {asked}, but it was sealed as {sealed}: the \
         index was altered"
    )]
    Swapped {
        /// Start of the stored bytes, absolute.
        at: u64,
        /// The id of the region that the caller asked for.
        asked: Uuid,
        /// The id under which the bytes were sealed.
        sealed: Uuid,
    },
    /// The policy requires a digest, but the package has none.
    #[error(
        "stored region at {at:#x}: unsealed: the package has no digests: accept it unverified, or \
         ask the publisher for a package with digests"
    )]
    Unsealed {
        /// Start of the stored bytes, absolute.
        at: u64,
    },
    /// The policy requires a signature, but the region has none.
    #[error("stored region at {at:#x}: unsigned: ask the publisher for a signed package")]
    Unsigned {
        /// Start of the stored bytes, absolute.
        at: u64,
    },
    /// A region with the encoding `brod` cannot be verified: its digest covers the dictionary, but
    /// the package has no dictionary.
    #[error(
        "stored region at {at:#x}: its seal covers the package's dictionary, but the package has \
         none: get the package anew"
    )]
    NoDictionary {
        /// Start of the stored bytes, absolute.
        at: u64,
    },
    /// No trusted key has signed the region.
    #[error(
        "stored region at {at:#x}: wrong key: not signed with a key that is trusted here: compare \
         the publisher's key with the keys that `dacti inspect` shows"
    )]
    WrongKey {
        /// Start of the stored bytes, absolute.
        at: u64,
    },
    /// The region is signed for a package other than the package of the trusted key.
    #[error(
        "stored region at {at:#x}: wrong package: signed for {found}, but the trusted key is \
         for {expected}"
    )]
    WrongPackage {
        /// Start of the stored bytes, absolute.
        at: u64,
        /// The package that the trusted key is for.
        expected: Uuid,
        /// The package that the file claims.
        found: Uuid,
    },
    /// The container's rules refuse the place of the seal component: for example, it lies outside
    /// of the file.
    #[error(transparent)]
    Container(#[from] daicon_core::Error),
    /// A mistake of the caller.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

const _: () = assert!(size_of::<Error>() <= 48);

impl Error {
    /// Returns the kind, for callers to branch on.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::OutOfBounds { .. } | Self::Altered { .. } | Self::Swapped { .. } => {
                ErrorKind::Corrupt
            }
            Self::Truncated { .. } => ErrorKind::Truncated,
            Self::UnsupportedVersion { .. }
            | Self::UnsupportedKind { .. }
            | Self::NoDictionary { .. } => ErrorKind::Unsupported,
            Self::LimitExceeded { .. } | Self::TooManySeals { .. } => ErrorKind::Limit,
            Self::Container(error) => match error.kind() {
                daicon_core::ErrorKind::Truncated => ErrorKind::Truncated,
                daicon_core::ErrorKind::Unsupported => ErrorKind::Unsupported,
                daicon_core::ErrorKind::Limit => ErrorKind::Limit,
                daicon_core::ErrorKind::Misuse => ErrorKind::Misuse,
                _ => ErrorKind::Corrupt,
            },
            Self::Unsealed { .. }
            | Self::Unsigned { .. }
            | Self::WrongKey { .. }
            | Self::WrongPackage { .. } => ErrorKind::Denied,
            Self::Misuse(_) => ErrorKind::Misuse,
        }
    }

    /// Returns the structure at fault; `None` for a mistake of the caller.
    #[must_use]
    pub const fn what(&self) -> Option<Structure> {
        match self {
            Self::UnsupportedVersion { .. }
            | Self::UnsupportedKind { .. }
            | Self::LimitExceeded { .. }
            | Self::TooManySeals { .. } => Some(Structure::SealComponent),
            Self::OutOfBounds { .. } => Some(Structure::Seal),
            Self::Swapped { .. }
            | Self::Unsealed { .. }
            | Self::Unsigned { .. }
            | Self::NoDictionary { .. }
            | Self::WrongKey { .. }
            | Self::WrongPackage { .. } => Some(Structure::StoredRegion),
            Self::Truncated { what, .. } | Self::Altered { what, .. } => Some(*what),
            Self::Container(error) => match error.what() {
                Some(what) => Some(Structure::Container(what)),
                None => None,
            },
            Self::Misuse(_) => None,
        }
    }

    /// Returns the absolute file offset of the fault; `None` for a mistake of the caller.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::Truncated { at, .. }
            | Self::UnsupportedVersion { at, .. }
            | Self::UnsupportedKind { at, .. }
            | Self::LimitExceeded { at, .. }
            | Self::TooManySeals { at, .. }
            | Self::OutOfBounds { at }
            | Self::Altered { at, .. }
            | Self::Swapped { at, .. }
            | Self::Unsealed { at }
            | Self::Unsigned { at }
            | Self::NoDictionary { at }
            | Self::WrongKey { at }
            | Self::WrongPackage { at, .. } => Some(*at),
            Self::Container(error) => error.at(),
            Self::Misuse(_) => None,
        }
    }
}
