//! Checks whether a host, and the caches between the host and the readers, can serve a package, and
//! whether the package can be updated there.
//!
//! [`look`] sends the requests, [`judge`] judges the answers by the rules of readers, and
//! [`recommend`] returns the form to publish in. Only [`look`] does IO. Specification:
//! `docs/spec/dacti-http.md`, `docs/spec/dacti-parts.md`; the reasons are in `docs/caches.md`.

mod cache_control;
mod judge;
mod look;

pub use cache_control::Lifetime;
pub use judge::{judge, recommend};
pub use look::{HostSeen, PartSeen, look};

use crate::fetch::Location;

/// One property of a host, and whether readers and updates work with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFinding {
    /// The place that answered.
    pub place: Location,
    /// The property that was checked.
    pub check: HostCheck,
    /// The answer, in words.
    pub seen: String,
    /// The verdict for a package of one file that is updated in place.
    pub one_file: HostVerdict,
    /// The verdict for a package in parts.
    pub in_parts: HostVerdict,
    /// The setting of the host that corrects the property, if there is one.
    pub set: Option<String>,
}

/// The properties that are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HostCheck {
    /// Whether the place answers at all.
    Answer,
    /// Redirects before the answer.
    Redirects,
    /// The version of HTTP.
    Version,
    /// Ranges with a start and an end. The first, a middle and the last range are checked.
    Ranges,
    /// A whole file as the answer to a range request.
    WholeFile,
    /// A range after the end of the file.
    PastTheEnd,
    /// Content codings, such as gzip.
    Codings,
    /// `ETag` and `Last-Modified`.
    Validators,
    /// How long caches may keep the head.
    HeadLifetime,
    /// How long caches may keep other bytes.
    DataLifetime,
    /// Whether caches keep a separate answer for each query.
    Query,
    /// Whether pages of other origins may read the answers.
    Browsers,
    /// The answer for a part that does not exist.
    MissingPart,
    /// Whether the head is the same as the head of the first place.
    SameHead,
    /// An update that was published and read back.
    Update,
}

impl HostCheck {
    /// Returns the name that tables and JSON show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Redirects => "redirects",
            Self::Version => "HTTP version",
            Self::Ranges => "ranges",
            Self::WholeFile => "whole file",
            Self::PastTheEnd => "past the end",
            Self::Codings => "content codings",
            Self::Validators => "validators",
            Self::HeadLifetime => "head's lifetime",
            Self::DataLifetime => "data's lifetime",
            Self::Query => "query in the key",
            Self::Browsers => "browsers",
            Self::MissingPart => "missing part",
            Self::SameHead => "same head",
            Self::Update => "update",
        }
    }
}

/// How well one property of a host works for one form of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostVerdict {
    /// The property is as it should be.
    Good,
    /// Readers get correct bytes, but with a cost or a limit that the finding describes.
    Fair,
    /// Readers fail, or see updates late or never.
    Bad,
}

impl HostVerdict {
    /// Returns the name that tables and JSON show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Bad => "bad",
        }
    }
}

/// The form in which a package is published, or should be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublishedForm {
    /// One file, which is updated in place.
    OneFile,
    /// A head and immutable parts.
    InParts,
    /// No package, or no form that works.
    Neither,
}
