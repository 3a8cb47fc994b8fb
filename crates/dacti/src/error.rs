//! The errors of this crate, from faults in a package's bytes to failures of the file system.

mod publish;
mod update;

pub use publish::PublishFault;
pub use update::{StateFault, UpdateFault};

use crate::fetch::Location;
use dacti_index::Encoding;
use dacti_names::PathFault;
use daicon_core::Span;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The kind of an error, for programs that branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes contradict the format.
    Corrupt,
    /// The source ends within a structure.
    Truncated,
    /// The bytes are well-formed, but their format, version or encoding is unknown.
    Unsupported,
    /// A length or a count exceeds one of the caller's limits.
    Limit,
    /// The caller asked for something impossible.
    Misuse,
    /// The package has no such region, or the server or store has no such file.
    NotFound,
    /// The bytes may be sound, but the caller's policy refuses them.
    Denied,
    /// A cache between server and reader serves old bytes, or lacks bytes that a newer head refers
    /// to.
    Stale,
    /// Another file has replaced the package.
    Replaced,
    /// The server did not answer, or it refused the request for a limited time.
    Unavailable,
    /// The system failed.
    Io,
}

impl core::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "corrupt",
            Self::Truncated => "truncated",
            Self::Unsupported => "unsupported",
            Self::Limit => "limit",
            Self::Misuse => "misuse",
            Self::NotFound => "not found",
            Self::Denied => "denied",
            Self::Stale => "stale",
            Self::Replaced => "replaced",
            Self::Unavailable => "unavailable",
            Self::Io => "io",
        })
    }
}

impl From<daicon_core::ErrorKind> for ErrorKind {
    fn from(kind: daicon_core::ErrorKind) -> Self {
        match kind {
            daicon_core::ErrorKind::Truncated => Self::Truncated,
            daicon_core::ErrorKind::Unsupported => Self::Unsupported,
            daicon_core::ErrorKind::Limit => Self::Limit,
            daicon_core::ErrorKind::Misuse => Self::Misuse,
            // `daicon_core` may add kinds. Until a new kind is listed here, it counts as `Corrupt`.
            _ => Self::Corrupt,
        }
    }
}

impl From<dacti_seal::ErrorKind> for ErrorKind {
    fn from(kind: dacti_seal::ErrorKind) -> Self {
        match kind {
            dacti_seal::ErrorKind::Truncated => Self::Truncated,
            dacti_seal::ErrorKind::Unsupported => Self::Unsupported,
            dacti_seal::ErrorKind::Limit => Self::Limit,
            dacti_seal::ErrorKind::Misuse => Self::Misuse,
            dacti_seal::ErrorKind::Denied => Self::Denied,
            // `dacti_seal` may add kinds. Until a new kind is listed here, it counts as `Corrupt`.
            _ => Self::Corrupt,
        }
    }
}

/// The reason why a package cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system failed.
    #[error("cannot {action} {}: {source}", shown(.path))]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The path of the file. It is empty if the source is not a file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A package cannot be read from a server or a store.
    #[error("{place}: {source}")]
    Remote {
        /// The location of the package. Messages show it without its secrets.
        place: Location,
        /// The kind of the error, for callers that branch on it.
        kind: ErrorKind,
        /// The fault of the transport. Its message says what the caller can do.
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// The path names a directory, a device or another irregular file.
    #[error("{} is not a regular file", shown(.path))]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The container is at fault.
    #[error(transparent)]
    Container(#[from] daicon_core::Error),
    /// The index or a stored region is at fault.
    #[error(transparent)]
    Index(#[from] dacti_index::Error),
    /// In a package with a layout, the groups of the index do not fill the index region.
    #[error(
        "index header at {at:#x}: {groups} groups do not fill the index region of {len} bytes, as \
         they must in a package with a layout: bytes are missing, or were altered"
    )]
    IndexNotFilled {
        /// Where the index region starts, absolute.
        at: u64,
        /// The number of groups that the index header states.
        groups: u32,
        /// The region's length in bytes.
        len: u64,
    },
    /// A group has no entry, although the index lies after the head. Each group of such an index
    /// must have an entry.
    #[error(
        "group header at {at:#x}: the group has no entries, but this index begins after the head, \
         so each of its groups must have entries: bytes are missing, or were replaced by zeros"
    )]
    EmptyGroup {
        /// Where the group starts, absolute.
        at: u64,
    },
    /// The fences are at fault. Look-ups do not fail for this reason: they scan the index instead.
    #[error(transparent)]
    Lookup(#[from] dacti_lookup::Error),
    /// The fences belong to an index other than the current one.
    #[error(
        "lookup header at {at:#x}: its fences belong to the index at {index_at:#x}, not to the \
         current index"
    )]
    OtherIndex {
        /// Where the lookup region starts, absolute.
        at: u64,
        /// Where the index of these fences starts, absolute.
        index_at: u64,
    },
    /// A region does not match its seal, the seal component is wrong, or the policy refuses the
    /// region.
    #[error(transparent)]
    Seal(#[from] dacti_seal::Error),
    /// The package cannot be updated at all, or not in the way that the caller asked for.
    #[error(transparent)]
    Update(#[from] UpdateFault),
    /// The names list is at fault.
    #[error("names list: {0}")]
    Names(#[from] dacti_names::Error),
    /// The path breaks a rule for paths.
    #[error("{} cannot be the path of a region: it {fault}", quoted(.path))]
    Path {
        /// The path.
        path: String,
        /// The rule that the path breaks.
        fault: PathFault,
    },
    /// The layout component, or another structure that updates rely on, is at fault.
    #[error(transparent)]
    Cdn(#[from] dacti_cdn::Error),
    /// A region of a pulled copy differs from the published region.
    #[error("{name:?} is damaged in the copy: {error}; the copy was not kept: pull again")]
    Pulled {
        /// The region, by path or id.
        name: String,
        /// The fault of this region.
        error: std::sync::Arc<Self>,
    },
    /// The package cannot be published as asked.
    #[error(transparent)]
    Publish(#[from] PublishFault),
    /// The package has no such region.
    #[error("there is no region {region}")]
    NotFound {
        /// The id or path of the region, as the caller gave it.
        region: String,
    },
    /// Two inputs have the same path.
    #[error("the path {path:?} is given twice, by {first} and by {second}")]
    DuplicatePath {
        /// The path.
        path: String,
        /// The input that was added first.
        first: String,
        /// The input that was added second.
        second: String,
    },
    /// Two inputs have the same id.
    #[error("the id {id} is given twice, for {first} and for {second}")]
    DuplicateId {
        /// The id.
        id: Uuid,
        /// The input that was added first.
        first: String,
        /// The input that was added second.
        second: String,
    },
    /// The id is reserved.
    #[error("the id {id} is reserved and cannot be the id of a region")]
    ReservedId {
        /// The id.
        id: Uuid,
    },
    /// An input with neither path nor id.
    #[error("a region needs a path or an id")]
    Unnamed,
    /// An input too long for an index entry.
    #[error(
        "{name}: {len} bytes do not fit into a region, which must be shorter than 4 GiB: nothing \
         was written; split the file, for example with `split -b 4000M`, pack the pieces, and join \
         them after reading"
    )]
    RegionTooLong {
        /// The region.
        name: String,
        /// The region's length in bytes.
        len: u64,
    },
    /// A sealed region whose stored bytes are too long to be kept until they are verified: see
    /// [`Limits::spool_len_max`](crate::Limits::spool_len_max).
    #[error(
        "stored region at {at:#x}: {len} bytes must be kept until they are verified, but the limit \
         is {limit}: raise the limit, or write the region to a file"
    )]
    TooLongToVerify {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// The length of the stored bytes.
        len: u64,
        /// The maximum length of stored bytes that may be kept.
        limit: u64,
    },
    /// Regions that together take more bytes than
    /// [`Limits::total_len_max`](crate::Limits::total_len_max) allows.
    #[error(
        "all regions together take more than {limit} bytes, far more than usual for a package of \
         this size: if you trust the package, raise the limit"
    )]
    TotalTooLong {
        /// The number of bytes that are allowed.
        limit: u64,
    },
    /// Two regions that share some, but not all, of their stored bytes.
    #[error(
        "the stored bytes of {second} at {second_at} overlap the stored bytes of {first} at \
         {first_at}, and no packer writes such regions: nothing was written; unpack the good \
         regions and pack them"
    )]
    Overlap {
        /// The region that starts first, by path or id.
        first: String,
        /// The span of the first region's stored bytes.
        first_at: Span,
        /// The region that overlaps the first one, by path or id.
        second: String,
        /// The span of the second region's stored bytes.
        second_at: Span,
    },
    /// The caller asked to seek in a region that is encoded. Such a region can only be decoded from
    /// its start.
    #[error(
        "stored region at {at:#x}: encoded as {encoding}, so decoding starts at its first byte, \
         and seeking is not possible: read a range or a stream"
    )]
    NotSeekable {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// The encoding of these bytes.
        encoding: Encoding,
    },
    /// An input that changed after it was added.
    #[error(
        "{} changed while it was packed ({expected} bytes when it was added, {found} when it was \
         read{}): nothing was written; pack again when the file no longer changes, or pack a copy",
        shown(.path),
        if expected == found { ", with another modification time" } else { "" }
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// The file's length when it was added, in bytes.
        expected: u64,
        /// The file's length when it was read, in bytes.
        found: u64,
    },
    /// An input that contains a private key. If it were packed, every reader could sign with the
    /// key.
    #[error(
        "{name}: the content contains a private key, and the package would publish this key: leave \
         the file out"
    )]
    PrivateKey {
        /// The region.
        name: String,
        /// The file that the content comes from, if any.
        file: Option<PathBuf>,
    },
    /// A damaged region of a package that is compacted.
    #[error(
        "{name:?} is damaged, so it cannot be copied: {fault}; nothing was written: put the \
         region again or remove it first, or unpack the good regions and pack them"
    )]
    Damaged {
        /// The region, by path or id.
        name: String,
        /// The damage.
        fault: Box<Self>,
    },
    /// The package cannot be compacted with these options.
    #[error("{fault}")]
    Compaction {
        /// The reason, and what the caller can do.
        fault: CompactionFault,
    },
    /// The caller stopped the operation.
    #[error("stopped on request")]
    Stopped,
    /// The caller gave a key for signatures, but the options write no seals.
    #[error("a signature is part of a region's seal, but {why}")]
    NoSealToSign {
        /// The reason, and what the caller can do.
        why: &'static str,
    },
    /// Regions are marked hot, but the layout has no room for them in the head.
    #[error(
        "hot regions lie in the head, where the compact layout has no room: use the cdn layout"
    )]
    NoHead,
    /// More regions are marked hot than one group of the index has room for.
    #[error(
        "{entries} regions are marked hot, and at most {max} can be: mark fewer",
        max = dacti_index::GROUP_ENTRIES
    )]
    HotTooMany {
        /// The number of hot regions.
        entries: u64,
    },
    /// The hot regions are too long for the head.
    #[error(
        "the hot regions take {bytes} bytes with their seals, and the head has room for \
         {bytes_max}: mark fewer or smaller ones"
    )]
    HotTooLong {
        /// The length of the hot regions in bytes, with seals.
        bytes: u64,
        /// The room for hot regions in the head, in bytes.
        bytes_max: u64,
    },
    /// The value of an option is out of its range.
    #[error("{what}: expected {expected}, found {found}")]
    Option {
        /// The option.
        what: &'static str,
        /// The given value.
        found: u64,
        /// The possible values.
        expected: &'static str,
    },
}

/// The reason why a package cannot be compacted with the given options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactionFault {
    /// An unknown component, whose data may hold positions that change in the new file.
    #[error(
        "the component {id} is unknown, and its data may hold file positions, which change in the \
         new file: leave the component out with --drop-component {id}"
    )]
    ForeignComponent {
        /// The component's id.
        id: Uuid,
    },
    /// The package has seals, but the chosen layout has none.
    #[error(
        "the package has seals, but the compact layout has none: keep the cdn layout, or drop the \
         seals with --seals drop"
    )]
    SealsLost,
    /// The package is signed and gets a new names list, but the caller gave no key to sign the
    /// list.
    #[error(
        "the package is signed, and its names list has to be signed again: give the key with \
         --sign KEY, or leave the names list unsigned with --unsigned-names"
    )]
    NamesUnsigned,
    /// The package is signed and its regions are encoded again, but the caller gave no key to sign
    /// them.
    #[error(
        "the package is signed, and all regions have to be signed again: give the key with \
         --sign KEY"
    )]
    RegionsUnsigned,
    /// A key was given, but there is no names list to sign with it.
    #[error(
        "the package is not signed, and compaction signs only the names list: pack again with \
         --sign KEY"
    )]
    NothingToSign,
    /// A key for another publisher's package.
    #[error(
        "the key is for the package {found}, but the seals are for the package {expected}: give a \
         key for that package, or name that package with --package-id"
    )]
    OtherPackage {
        /// The publisher's package of the seals.
        expected: Uuid,
        /// The publisher's package of the key.
        found: Uuid,
    },
    /// The package names more keys than the seal component of a new package has room for.
    #[error(
        "the package names {found} keys, but a new file has room for {limit}: sign it with one key \
         (dacti sign), or leave the seals out with --seals drop"
    )]
    TooManyKeys {
        /// The number of keys that the package names.
        found: usize,
        /// The number of keys that a new package has room for.
        limit: usize,
    },
    /// The new file differs from the old one. The cause is a fault of this crate or of the
    /// computer.
    #[error(
        "the new file differs from the old one ({0}), so it was not kept. The program or the \
         computer is at fault: please report it"
    )]
    Unproven(String),
}

/// Returns a path as messages show it: quoted and escaped. A URL is shown without its secrets, and
/// an empty path as "the package".
pub(crate) fn shown(path: &Path) -> String {
    if path.as_os_str().is_empty() {
        return "the package".into();
    }
    format!("{:?}", Location::from(path).to_string())
}

/// Returns a text in quotes, for messages. If the text is a URL, its secrets are left out. The path
/// of a region is never a URL, so it is shown unchanged.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", Location::from(text).to_string())
}

impl From<CompactionFault> for Error {
    fn from(fault: CompactionFault) -> Self {
        Self::Compaction { fault }
    }
}

impl Error {
    /// Returns the kind of the error, for callers that branch on it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } => ErrorKind::Io,
            Self::Remote { kind, .. } => *kind,
            Self::Container(error) => error.kind().into(),
            Self::Index(error) => error.kind().into(),
            Self::Lookup(error) => error.kind().into(),
            Self::Seal(error) => error.kind().into(),
            Self::Names(error) => error.kind().into(),
            Self::Update(fault) => fault.kind(),
            Self::Publish(fault) => fault.kind(),
            Self::Cdn(error) => error.kind().into(),
            Self::OtherIndex { .. }
            | Self::IndexNotFilled { .. }
            | Self::EmptyGroup { .. }
            | Self::Overlap { .. }
            | Self::Compaction { fault: CompactionFault::Unproven(_) } => ErrorKind::Corrupt,
            Self::Damaged { fault, .. } => fault.kind(),
            Self::Pulled { error, .. } => error.kind(),
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::NotAFile { .. }
            | Self::Path { .. }
            | Self::DuplicatePath { .. }
            | Self::DuplicateId { .. }
            | Self::ReservedId { .. }
            | Self::Unnamed
            | Self::RegionTooLong { .. }
            | Self::Changed { .. }
            | Self::PrivateKey { .. }
            | Self::Stopped
            | Self::NoSealToSign { .. }
            | Self::Compaction { .. }
            | Self::NoHead
            | Self::HotTooMany { .. }
            | Self::HotTooLong { .. }
            | Self::NotSeekable { .. }
            | Self::Option { .. } => ErrorKind::Misuse,
            Self::TooLongToVerify { .. } | Self::TotalTooLong { .. } => ErrorKind::Limit,
        }
    }

    /// Returns the structure at fault, by its name in the specification; `None` if the package
    /// itself is not at fault.
    #[must_use]
    pub fn what(&self) -> Option<String> {
        match self {
            Self::Container(error) => error.what().map(|what| what.to_string()),
            Self::Index(error) => error.what().map(|what| what.to_string()),
            Self::Lookup(error) => error.what().map(|what| what.to_string()),
            Self::Seal(error) => error.what().map(|what| what.to_string()),
            Self::OtherIndex { .. } => Some("lookup header".into()),
            Self::IndexNotFilled { .. } => Some("index header".into()),
            Self::EmptyGroup { .. } => Some("group header".into()),
            Self::TooLongToVerify { .. } | Self::NotSeekable { .. } | Self::Overlap { .. } => {
                Some(dacti_index::Structure::StoredRegion.to_string())
            }
            Self::Names(error) => Some(error.what().to_string()),
            Self::Cdn(error) => error.what().map(|what| what.to_string()),
            _ => None,
        }
    }

    /// Returns the offset of the fault. It is absolute, except in a names list, where it counts
    /// from the list's start. `None` if the package itself is not at fault.
    #[must_use]
    pub fn at(&self) -> Option<u64> {
        match self {
            Self::Container(error) => error.at(),
            Self::Index(error) => error.at(),
            Self::Lookup(error) => error.at(),
            Self::Seal(error) => error.at(),
            Self::Names(error) => Some(error.at()),
            Self::Cdn(error) => error.at(),
            Self::OtherIndex { at, .. }
            | Self::IndexNotFilled { at, .. }
            | Self::EmptyGroup { at }
            | Self::TooLongToVerify { at, .. }
            | Self::NotSeekable { at, .. } => Some(*at),
            Self::Overlap { second_at, .. } => Some(second_at.start),
            _ => None,
        }
    }

    /// Returns the expected value and the found one, if the error compares two values.
    #[must_use]
    pub fn expected_and_found(&self) -> Option<(String, String)> {
        let numbers = |expected: &u64, found: &u64| (expected.to_string(), found.to_string());
        match self {
            Self::Container(daicon_core::Error::WrongFormat { expected, found })
            | Self::Seal(dacti_seal::Error::WrongPackage { expected, found, .. }) => {
                Some((expected.to_string(), found.to_string()))
            }
            Self::Container(
                daicon_core::Error::UnsupportedFormatVersion { required, found }
                | daicon_core::Error::IncompatibleComponent { required, found, .. },
            ) => Some((required.to_string(), found.to_string())),
            Self::Names(dacti_names::Error::Mismatch { expected, found, .. }) => {
                Some(numbers(expected, found))
            }
            _ => None,
        }
    }

    /// Converts an error of `dacti_names`. If the error is about a path, the result names the path
    /// that the caller gave.
    pub(crate) fn with_path(error: dacti_names::Error, path: &str) -> Self {
        match error {
            dacti_names::Error::Path { fault, .. } => Self::Path { path: path.into(), fault },
            error => Self::Names(error),
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }
}
