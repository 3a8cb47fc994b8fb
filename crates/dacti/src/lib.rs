//! Packages on plain static hosting: open them, find and read their regions, and build them.
//!
//! A package is one file that describes itself and gives up any of its regions by UUID or path.
//! This crate puts the layers together: the container (`daicon-core`), the index (`dacti-index`),
//! look-up in it (`dacti-lookup`), paths (`dacti-names`), seals (`dacti-seal`), and the IO that
//! none of them has. The normative text is `docs/spec/dacti-package.md`.
//!
//! # Who needs this crate
//!
//! Programs that read or build packages. Authors of other formats need `daicon-core` alone.
//!
//! # Read
//!
//! ```no_run
//! let package = dacti::Package::open("docs.dacti-pack")?;
//! let page = package.get("guide/index.html")?; // whole, decoded
//! for listed in package.list()? {
//!     println!("{} {}", listed.located.id, listed.path.as_deref().unwrap_or("-"));
//! }
//! # Ok::<(), dacti::Error>(())
//! ```
//!
//! With the feature `http`, `Package::open_url` reads a package under a URL, and `AsyncPackage`
//! does for programs that are async what `Package` does for others. The README has an example.
//!
//! # Build
//!
//! ```
//! use dacti::{BuildOptions, Content, Package, PackageBuilder};
//!
//! let dir = tempfile::tempdir()?;
//! let out = dir.path().join("site.dacti-pack");
//! let mut builder = PackageBuilder::new(BuildOptions::default());
//! builder.add("hello.txt", b"hello".to_vec())?;
//! builder.add("log.txt", Content::reader(&b"from any reader"[..]))?;
//! builder.build(&out)?;
//!
//! let package = Package::open(&out)?;
//! assert_eq!(package.get("hello.txt")?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Cost
//!
//! Opening reads the first 64 KiB, and what of the tables lies behind. Finding a region takes no
//! further read where the index lies in them, and one of a few groups where there are lookup keys,
//! as in every large package of ours. Without keys it scans the index, newest groups first, in
//! windows of 256 KiB, until the region is found. Reading one takes
//! its stored bytes and, for `brot`, a window of at most 16 MiB. Building takes memory for the
//! names and ids of all regions, a fixed amount for the bytes under way, and all cores.
//!
//! # Map, or read
//!
//! [`Package::open`] reads a file by position; [`Package::open_mapped`] maps it into memory, which
//! costs more to open and less for each region, and lends regions without a copy. Nothing is lent
//! before it is verified. A mapped file must not be cut short by others meanwhile: see
//! [`source::MmapSource`].
//!
//! # Promise
//!
//! Untrusted packages cannot panic, loop or allocate beyond [`Limits`] and their own size.

#![expect(
    clippy::std_instead_of_alloc,
    reason = "this crate needs std; alloc's paths would gain nothing"
)]

mod error;
pub mod fetch;
mod find;
mod hash;
mod read;
#[cfg(any(feature = "http", feature = "store"))]
mod remote;
pub mod report;
mod threads;
mod write;

pub use error::{Error, ErrorKind};
pub use read::limits::Limits;
pub use read::listing::Listed;
pub use read::many::{GetPlan, Readers};
pub use read::names::Names;
pub use read::package::Package;
pub use read::region::Region;
pub use read::region_name::RegionName;
pub use read::region_reader::RegionReader;
pub use read::verified::VerifiedReader;
pub use read::view::{PACKAGE_FORMAT, View};
#[cfg(any(feature = "http", feature = "store"))]
pub use remote::{AsyncPackage, AsyncRegionReader};
pub use write::atomic::AtomicFile;
pub use write::pack::{
    BuildOptions, Built, Content, EncodingChoice, InputName, LayoutChoice, PackageBuilder, Progress,
};
pub use write::{compact, update};

pub use dacti_cdn::HEAD_LEN;
pub use dacti_index::{Encoding, Located};
pub use dacti_names::region_id;
pub use daicon_core::Span;

/// The container under a package: components and versions.
pub mod container {
    pub use daicon_core::{Component, Diagnostic, Version};
}

/// The index of a package: its groups and entries, and the components that hold them.
pub mod index {
    pub use crate::find::index_scan::{GroupSummary, IndexScan};
    pub use dacti_index::INDEX_ID;
    pub use dacti_lookup::LOOKUP_ID;
}

/// The layout of a package that can be updated in place.
pub mod layout {
    pub use dacti_cdn::{
        ExpectedUpdates, LAYOUT_ID, LAYOUT_LEN, LAYOUT_VERSION, Layout, LayoutFault, SLICE_LEN,
        SLICE_LEN_RANGE, check_slice_len, padding,
    };
}

/// Digests and signatures of regions, the keys that sign them, and what a reader requires.
pub mod seal {
    pub use dacti_seal::{
        KEY_TEXT_LEN_MAX, KeyFault, Kind as SealKind, Misuse as KeyMisuse, PublicKey, SEAL_ID,
        SealPolicy, Seals, SecretKey, Verdict,
    };
}

// Their examples read URLs, too.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../../../README.md")]
mod root_readme {}
