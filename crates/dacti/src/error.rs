//! What can go wrong with a package, from the bytes up to the file system.

mod update;

pub use update::{StateFault, UpdateFault};

use crate::fetch::Location;
use dacti_index::Encoding;
use dacti_names::PathFault;
use daicon_core::Span;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What to do about an error, for programs that branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes contradict the format.
    Corrupt,
    /// The source ends before a structure does.
    Truncated,
    /// Well-formed, but of a format, version or encoding that this reader does not know.
    Unsupported,
    /// Larger than the caller's limits allow.
    Limit,
    /// The caller asked for something that cannot be.
    Misuse,
    /// The package has no such region.
    NotFound,
    /// Nothing is known to be damaged, but the caller's policy does not take it.
    Denied,
    /// A cache on the way does not have the bytes yet that a newer head speaks of, or other ones.
    Stale,
    /// Another file stands in the place of the package.
    Replaced,
    /// The server did not answer, or could not just then.
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
            // The lower enum may grow; what is new there is new damage until it is named here.
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
            // The lower enum may grow; what is new there is new damage until it is named here.
            _ => Self::Corrupt,
        }
    }
}

/// Why a package cannot be read or built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system failed.
    #[error("cannot {action} {}: {source}", shown(.path))]
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file; empty for a source without one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A package that is read from elsewhere cannot be.
    #[error("{place}: {source}")]
    Remote {
        /// The place of the package. Messages show it without its secrets.
        place: Location,
        /// What to branch on.
        kind: ErrorKind,
        /// What came, and what to do about it.
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// Something other than a regular file.
    #[error("{path:?} is not a regular file")]
    NotAFile {
        /// What it is called.
        path: PathBuf,
    },
    /// The container is at fault.
    #[error(transparent)]
    Container(#[from] daicon_core::Error),
    /// The index or a stored region is at fault.
    #[error(transparent)]
    Index(#[from] dacti_index::Error),
    /// An index without a reserve whose groups do not fill its region.
    #[error(
        "index header at {at:#x}: {groups} groups do not fill the index region of {len} bytes, \
         and an index behind the head has no reserve: bytes are missing, or were replaced by zeros"
    )]
    IndexNotFilled {
        /// Where the index region starts, absolute.
        at: u64,
        /// The groups that its header counts.
        groups: u32,
        /// The region's length in bytes.
        len: u64,
    },
    /// A group without entries, in an index without a reserve.
    #[error(
        "group header at {at:#x}: the group has no entry, and an index behind the head has no \
         reserve: bytes are missing, or were replaced by zeros"
    )]
    EmptyGroup {
        /// Where the group starts, absolute.
        at: u64,
    },
    /// The lookup keys are at fault. Finding a region never says so: it goes without them.
    #[error(transparent)]
    Lookup(#[from] dacti_lookup::Error),
    /// The lookup keys are of another index than the one in force.
    #[error(
        "lookup header at {at:#x}: its keys are of the index at {index_at:#x}, not of this one"
    )]
    OtherIndex {
        /// Where the lookup region starts, absolute.
        at: u64,
        /// Where the index starts that they are of, absolute.
        index_at: u64,
    },
    /// A region or the seal component is not what was sealed, or a policy does not take it.
    #[error(transparent)]
    Seal(#[from] dacti_seal::Error),
    /// The package cannot be updated, or not in this way.
    #[error(transparent)]
    Update(#[from] UpdateFault),
    /// The names list is at fault.
    #[error("names list: {0}")]
    Names(#[from] dacti_names::Error),
    /// A path that no region can have.
    #[error("{path:?} cannot be the path of a region: it {fault}")]
    Path {
        /// The path.
        path: String,
        /// The rule that it breaks.
        fault: PathFault,
    },
    /// The layout component is at fault, or what updates rely on.
    #[error(transparent)]
    Cdn(#[from] dacti_cdn::Error),
    /// The package has no such region.
    #[error("there is no region {key}")]
    NotFound {
        /// The id or path asked for.
        key: String,
    },
    /// Two inputs for one path.
    #[error("the path {path:?} is given twice, by {first} and by {second}")]
    DuplicatePath {
        /// The path.
        path: String,
        /// What had it first.
        first: String,
        /// What has it too.
        second: String,
    },
    /// Two inputs for one id.
    #[error("the id {id} is given twice, for {first} and for {second}")]
    DuplicateId {
        /// The id.
        id: Uuid,
        /// What had it first.
        first: String,
        /// What has it too.
        second: String,
    },
    /// An id that no region can be given.
    #[error("the id {id} is reserved and cannot be given to a region")]
    ReservedId {
        /// The id.
        id: Uuid,
    },
    /// A region with neither path nor id.
    #[error("a region needs a path or an id")]
    Unnamed,
    /// An input that passes what an entry can say.
    #[error(
        "{name}: {len} bytes do not fit a region, whose size has 32 bits: split it into \
         pieces below 4 GiB"
    )]
    RegionTooLong {
        /// The region.
        name: String,
        /// Its length in bytes.
        len: u64,
    },
    /// A sealed region whose stored bytes would have to be kept to verify them.
    #[error(
        "stored region at {at:#x}: {len} bytes have to be kept to verify them before any is handed \
         out, and the limit is {limit}: write the region to a file, which is verified before it \
         gets its name, or allow more"
    )]
    TooLongToVerify {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// How many there are.
        len: u64,
        /// How many are kept.
        limit: u64,
    },
    /// Regions that take too much together.
    #[error(
        "all regions together take more than {limit} bytes, far more than a package of this size \
         usually does: allow more with total_len_max"
    )]
    TotalTooLong {
        /// The bytes that are allowed.
        limit: u64,
    },
    /// Two regions that share some of their stored bytes and not all.
    #[error(
        "the stored bytes of {second} at {second_at} overlap those of {first} at {first_at}, which \
         no writer of packages does: nothing was written; unpack what is whole and pack that"
    )]
    Overlap {
        /// The region that starts first, by path or id.
        first: String,
        /// Where its stored bytes are.
        first_at: Span,
        /// The region that takes some of them, by path or id.
        second: String,
        /// Where its stored bytes are.
        second_at: Span,
    },
    /// A region that is encoded, and so is decoded from its start.
    #[error(
        "stored region at {at:#x}: encoded as {encoding}, so it is decoded from its start: read a \
         range or a stream"
    )]
    NotSeekable {
        /// Where the stored bytes start, absolute.
        at: u64,
        /// How they are encoded.
        encoding: Encoding,
    },
    /// An input that is not what it was when it was added.
    #[error(
        "{path:?} changed while it was packed ({expected} bytes long when it was added, {found} \
         when it was read{}): nothing was written; pack again when it is still, or a copy of it",
        if expected == found { ", with another modification time" } else { "" }
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its length when it was added, in bytes.
        expected: u64,
        /// Its length when it was read, in bytes.
        found: u64,
    },
    /// A region that is to be taken over from another package, and is damaged there.
    #[error(
        "{name:?} is damaged, so it is not taken over: {fault}; nothing was written: put the \
         region again or remove it first, or unpack what is whole and pack that"
    )]
    Damaged {
        /// The region, by path or id.
        name: String,
        /// What is wrong with it.
        fault: Box<Self>,
    },
    /// A package that cannot be compacted as it was asked for.
    #[error("{fault}")]
    Compaction {
        /// Why not, and the way out.
        fault: CompactionFault,
    },
    /// The caller wanted it to stop.
    #[error("stopped on request")]
    Stopped,
    /// A key to sign with, where no seals are written.
    #[error("a signature is part of a region's seal, and {why}")]
    NoSealToSign {
        /// Why there is none, and the way out.
        why: &'static str,
    },
    /// Hot regions, where there is no head for them.
    #[error("hot regions lie in the head, and the compact layout has none: take the cdn layout")]
    NoHead,
    /// More hot regions than a group lists.
    #[error(
        "{entries} regions are to be hot, and there is room for {max} entries: choose fewer",
        max = dacti_index::GROUP_ENTRIES
    )]
    HotTooMany {
        /// Hot regions.
        entries: u64,
    },
    /// Hot regions that pass the head.
    #[error(
        "the hot regions take {bytes} bytes with their seals, and the head has room for \
         {bytes_max}: choose fewer or smaller ones"
    )]
    HotTooLong {
        /// Bytes that they take.
        bytes: u64,
        /// Bytes that there are.
        bytes_max: u64,
    },
    /// An option that cannot be.
    #[error("{what}: {found} is not possible, {expected}")]
    Option {
        /// Which option.
        what: &'static str,
        /// What was given.
        found: u64,
        /// What would do.
        expected: &'static str,
    },
}

/// Why a package cannot be compacted as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactionFault {
    /// A component of others, which may hold positions in the file that are other ones in the new
    /// file.
    #[error(
        "the component {id} is not one of dacti's, and what it means in another file is not known: \
         leave it out with --drop-component {id}"
    )]
    ForeignComponent {
        /// Its id.
        id: Uuid,
    },
    /// Seals in a layout that has none.
    #[error(
        "the compact layout has no seals, and this package has: keep the cdn layout, or leave them \
         out with --seals drop"
    )]
    SealsLost,
    /// A names list that has to be written anew, in a signed package.
    #[error(
        "the names list has to be written anew, and the package is signed: give the key with \
         --sign KEY, or leave the names list unsigned with --unsigned-names"
    )]
    NamesUnsigned,
    /// A key, and nothing that may be signed with it.
    #[error(
        "the package is not signed, and compaction signs nothing but a names list: pack again with \
         --sign KEY"
    )]
    NothingToSign,
    /// A key for another publisher's package.
    #[error("the key is for the package {found}, and the seals are for {expected}")]
    OtherPackage {
        /// The publisher's package that the seals are for.
        expected: Uuid,
        /// The one that the key is for.
        found: Uuid,
    },
    /// More keys than the seal component of a new package has room for.
    #[error(
        "the package names {found} keys, and a new file has room for {limit}: sign it with one key \
         (dacti sign), or leave the seals out with --seals drop"
    )]
    TooManyKeys {
        /// Keys that the package names.
        found: usize,
        /// Keys that there is room for.
        limit: usize,
    },
    /// What was written is not what was read. It is a fault of this crate or of the machine.
    #[error(
        "the new file does not hold what the old one does ({0}), so it was not kept: this is a \
         fault of the program or of the machine, please report it"
    )]
    Unproven(String),
}

/// A path as a message shows it, escaped; what has none is the package itself.
pub(crate) fn shown(path: &Path) -> String {
    if path.as_os_str().is_empty() {
        return "the package".into();
    }
    format!("{:?}", path.to_string_lossy())
}

impl From<CompactionFault> for Error {
    fn from(fault: CompactionFault) -> Self {
        Self::Compaction { fault }
    }
}

impl Error {
    /// What to branch on.
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
            Self::Cdn(error) => error.kind().into(),
            Self::OtherIndex { .. }
            | Self::IndexNotFilled { .. }
            | Self::EmptyGroup { .. }
            | Self::Compaction { fault: CompactionFault::Unproven(_) } => ErrorKind::Corrupt,
            Self::Damaged { fault, .. } => fault.kind(),
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::NotAFile { .. }
            | Self::Path { .. }
            | Self::DuplicatePath { .. }
            | Self::DuplicateId { .. }
            | Self::ReservedId { .. }
            | Self::Unnamed
            | Self::RegionTooLong { .. }
            | Self::Changed { .. }
            | Self::Stopped
            | Self::NoSealToSign { .. }
            | Self::Compaction { .. }
            | Self::NoHead
            | Self::HotTooMany { .. }
            | Self::HotTooLong { .. }
            | Self::NotSeekable { .. }
            | Self::Option { .. } => ErrorKind::Misuse,
            Self::TooLongToVerify { .. } | Self::TotalTooLong { .. } => ErrorKind::Limit,
            Self::Overlap { .. } => ErrorKind::Corrupt,
        }
    }

    /// The structure concerned, by its name in the specification, where the package itself is at
    /// fault.
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

    /// The offset concerned, where the package itself is at fault: absolute, and within the names
    /// list for a fault there.
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

    /// What is wrong with a caller's path, with the path.
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
