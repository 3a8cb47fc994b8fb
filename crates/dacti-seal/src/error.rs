//! What can be wrong with seals and keys, and where; and what a policy refuses.

use core::fmt;
use uuid::Uuid;

/// What to branch on. The lower crates' kinds, and one that only a policy can bring about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are not those that were sealed.
    Corrupt,
    /// The source ends before a structure does.
    Truncated,
    /// A version or kind that this reader does not know.
    Unsupported,
    /// More than a reader takes.
    Limit,
    /// The caller's mistake, a key that is none included.
    Misuse,
    /// Nothing is damaged, but the caller's policy does not take it.
    Denied,
}

impl From<daicon_core::ErrorKind> for ErrorKind {
    fn from(kind: daicon_core::ErrorKind) -> Self {
        match kind {
            daicon_core::ErrorKind::Truncated => Self::Truncated,
            daicon_core::ErrorKind::Unsupported => Self::Unsupported,
            daicon_core::ErrorKind::Limit => Self::Limit,
            daicon_core::ErrorKind::Misuse => Self::Misuse,
            // The lower enum may grow; what is new there is new damage until it is named here.
            _ => Self::Corrupt,
        }
    }
}

/// The structure that an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The seal component's region.
    SealComponent,
    /// A region's stored bytes.
    StoredRegion,
    /// The bytes behind them.
    Seal,
    /// The signature in a seal.
    Signature,
    /// A structure of the container: the seal component's place in the file.
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

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyFault {
    /// Longer than [`KEY_TEXT_LEN_MAX`](crate::KEY_TEXT_LEN_MAX).
    TooLong,
    /// No line with a key.
    Missing,
    /// More than one line with a key.
    Several,
    /// Not four words.
    Words,
    /// Another first word.
    NotPublic,
    /// Another first word.
    NotPrivate,
    /// A version other than 1.
    Version,
    /// Not 64 hexadecimal digits.
    Hex,
    /// Not a package UUID.
    Package,
    /// Digits that are no public key, or one that proves nothing.
    Point,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "is too long for a key",
            Self::Missing => "has no key",
            Self::Several => "has more than one key: give one file a key",
            Self::Words => "is not `dacti-ed25519-… 1 HEX UUID`",
            Self::NotPublic => "is not a public key: it does not begin with `dacti-ed25519-public`",
            Self::NotPrivate => {
                "is not a private key: it does not begin with `dacti-ed25519-private`"
            }
            Self::Version => "has another version than 1: a newer program is needed",
            Self::Hex => "does not have 64 hexadecimal digits",
            Self::Package => "does not end with the UUID of the publisher's package",
            Self::Point => "has digits that are no Ed25519 public key",
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
    /// More keys than a reader takes.
    #[error("{0} keys are too many, at most {max} are read", max = crate::KEYS_MAX)]
    TooManyKeys(u64),
    /// A signature where there is only room for digests.
    #[error("a signature cannot be written into a package of digests only")]
    NoRoomForSignature,
    /// A policy that asks for a signature by none.
    #[error("no key is trusted: name at least one, or ask for digests only")]
    NoKeys,
    /// A verified stream, where nothing is required of seals.
    #[error("nothing is required of seals, so none is checked: require a digest or a signature")]
    NothingRequired,
    /// The verifier was given more or fewer bytes than the region has.
    #[error("{given} bytes were given of a stored region of {len}")]
    Length {
        /// Stored bytes of the region.
        len: u64,
        /// Bytes given.
        given: u64,
    },
    /// A text that is no key.
    #[error("the text {0}")]
    KeyText(KeyFault),
}

/// Why a region is not handed out, or not sealed.
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
    /// A seal component of a layout that this reader does not know.
    #[error(
        "seal component at {at:#x}: version {found} is not supported, only 0 is: a newer \
         reader is needed"
    )]
    UnsupportedVersion {
        /// Where the component's region starts, absolute.
        at: u64,
        /// The version found.
        found: u32,
    },
    /// A kind of seal that this reader does not know.
    #[error(
        "seal component at {at:#x}: seals of kind {found} are not supported, only 1 and 2 are: \
         a newer reader is needed"
    )]
    UnsupportedKind {
        /// Where the component's region starts, absolute.
        at: u64,
        /// The kind found.
        found: u32,
    },
    /// More keys than a reader takes.
    #[error("seal component at {at:#x}: {found} keys are above the limit of {limit}")]
    LimitExceeded {
        /// Where the component's region starts, absolute.
        at: u64,
        /// Keys that it names.
        found: u64,
        /// Keys that are taken.
        limit: u64,
    },
    /// A seal that passes the last position that a file can have.
    #[error("seal at {at:#x}: passes the last position that a file can have")]
    OutOfBounds {
        /// Where the seal starts, absolute.
        at: u64,
    },
    /// Bytes other than those that were sealed.
    #[error(
        "{what} at {at:#x}: altered: it is not what was sealed: fetch it again, or get the \
         package anew"
    )]
    Altered {
        /// What does not fit: the stored bytes with their digest, the signature, or the component
        /// by itself.
        what: Structure,
        /// Where it starts, absolute.
        at: u64,
    },
    /// The bytes of another region than the one that was asked for.
    #[error(
        "stored region at {at:#x}: swapped: asked for {asked}, but it was sealed as {sealed}: \
         the index is not the publisher's"
    )]
    Swapped {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// The region asked for.
        asked: Uuid,
        /// The region that the bytes are.
        sealed: Uuid,
    },
    /// A digest is required, and the package has none.
    #[error(
        "stored region at {at:#x}: unsealed: the package has no digests: accept it unverified, \
         or have it packed with digests"
    )]
    Unsealed {
        /// Where the stored bytes start, absolute.
        at: u64,
    },
    /// A signature is required, and the region has none.
    #[error("stored region at {at:#x}: unsigned: ask the publisher for a signed package")]
    Unsigned {
        /// Where the stored bytes start, absolute.
        at: u64,
    },
    /// Signed with a key that the caller does not trust.
    #[error(
        "stored region at {at:#x}: wrong key: not signed with a key that is trusted here: \
         compare the publisher's key with `dacti inspect`"
    )]
    WrongKey {
        /// Where the stored bytes start, absolute.
        at: u64,
    },
    /// Signed for another package than the trusted key is for.
    #[error(
        "stored region at {at:#x}: wrong package: signed for {found}, but the trusted key is \
         for {expected}"
    )]
    WrongPackage {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// The package that the trusted key is for.
        expected: Uuid,
        /// The package that the file says it is.
        found: Uuid,
    },
    /// The seal component lies outside the file, by the container's rules.
    #[error(transparent)]
    Container(#[from] daicon_core::Error),
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
            Self::OutOfBounds { .. } | Self::Altered { .. } | Self::Swapped { .. } => {
                ErrorKind::Corrupt
            }
            Self::Truncated { .. } => ErrorKind::Truncated,
            Self::UnsupportedVersion { .. } | Self::UnsupportedKind { .. } => {
                ErrorKind::Unsupported
            }
            Self::LimitExceeded { .. } => ErrorKind::Limit,
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

    /// The structure concerned; `None` for a caller's mistake.
    #[must_use]
    pub const fn what(&self) -> Option<Structure> {
        match self {
            Self::UnsupportedVersion { .. }
            | Self::UnsupportedKind { .. }
            | Self::LimitExceeded { .. } => Some(Structure::SealComponent),
            Self::OutOfBounds { .. } => Some(Structure::Seal),
            Self::Swapped { .. }
            | Self::Unsealed { .. }
            | Self::Unsigned { .. }
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

    /// The absolute file offset concerned; `None` for a caller's mistake.
    #[must_use]
    pub const fn at(&self) -> Option<u64> {
        match self {
            Self::Truncated { at, .. }
            | Self::UnsupportedVersion { at, .. }
            | Self::UnsupportedKind { at, .. }
            | Self::LimitExceeded { at, .. }
            | Self::OutOfBounds { at }
            | Self::Altered { at, .. }
            | Self::Swapped { at, .. }
            | Self::Unsealed { at }
            | Self::Unsigned { at }
            | Self::WrongKey { at }
            | Self::WrongPackage { at, .. } => Some(*at),
            Self::Container(error) => error.at(),
            Self::Misuse(_) => None,
        }
    }
}
