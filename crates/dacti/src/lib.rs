//! Reads, builds and updates dacti packages.
#![cfg_attr(
    all(feature = "http", feature = "write"),
    doc = "",
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "http", feature = "write")),
    doc = "",
    doc = "The README has examples, cost and limits."
)]
#![expect(
    clippy::std_instead_of_alloc,
    reason = "this crate needs std, so imports from alloc would gain nothing"
)]

#[cfg(feature = "dar")]
pub mod dar;
mod error;
pub mod fetch;
mod find;
mod hash;
mod read;
#[cfg(feature = "async")]
mod remote;
pub mod report;
mod threads;
#[cfg(feature = "write")]
mod write;

pub use error::{Error, ErrorKind};
pub use read::limits::Limits;
pub use read::listing::{Listed, ListedRef, Listing};
pub use read::many::{GetPlan, Readers};
pub use read::names::Names;
pub use read::package::Package;
pub use read::region::{Region, RegionName};
pub use read::stream::{RegionReader, RegionSeeker, UnverifiedReader, VerifiedReader};
pub use read::view::{PACKAGE_FORMAT, View};
#[cfg(feature = "async")]
pub use remote::{AsyncPackage, AsyncReader, AsyncRegionReader, AsyncVerifiedReader};
#[cfg(feature = "write")]
pub use write::atomic::AtomicFile;
#[cfg(feature = "write")]
pub use write::pack::{
    BuildOptions, Built, Content, DictionaryChoice, DigestListChoice, EncodingChoice, InputName,
    LayoutChoice, PackageBuilder, Progress,
};
#[cfg(feature = "write")]
pub use write::{compact, publish, update};

/// Faults of packages in parts. Publishing needs the feature `write`.
#[cfg(not(feature = "write"))]
pub mod publish {
    pub use crate::error::PublishFault;
}

pub use dacti_cdn::HEAD_LEN;
pub use dacti_index::{Encoding, Located};
pub use dacti_names::{Attributes, Time, region_id};
pub use daicon_core::{Span, Uuid};

/// The container format of packages: components and versions.
pub mod container {
    pub use daicon_core::{Component, Diagnostic, Version};
}

/// The faults of updates and compactions that an [`Error`] can contain.
pub mod fault {
    pub use crate::error::{CompactionFault, StateFault, UpdateFault};
}

/// The index of a package: its groups and entries, and the components that hold them.
pub mod index {
    pub use crate::find::index_scan::{GroupSummary, IndexScan};
    pub use dacti_index::{DICTIONARY_ID, DICTIONARY_LEN_MAX, INDEX_ID};
    pub use dacti_lookup::LOOKUP_ID;
}

/// The layout of a package that can be updated in place.
pub mod layout {
    pub use dacti_cdn::parts::{
        PARTS_ID, PARTS_LEN, PARTS_VERSION, PartEntry, PartList, PartsRegion,
    };
    pub use dacti_cdn::{
        ExpectedUpdates, LAYOUT_ID, LAYOUT_LEN, LAYOUT_VERSION, Layout, LayoutFault, SLICE_LEN,
        SLICE_LEN_RANGE, check_slice_len, padding,
    };
}

/// Digests and signatures of regions, the keys that sign them, and the policy of a reader.
pub mod seal {
    pub use dacti_seal::{
        KEY_TEXT_LEN_MAX, KeyFault, KeySearch, Kind as SealKind, MESSAGE_LEN, Misuse as KeyMisuse,
        PublicKey, SEAL_ID, SIGNATURE_LEN, SealPolicy, Seals, SecretKey, SignatureCheck, Verdict,
    };
}

// The README's examples also read URLs, so they need the feature `http`.
#[cfg(all(doctest, feature = "http", feature = "write"))]
#[doc = include_str!("../../../README.md")]
mod root_readme {}
