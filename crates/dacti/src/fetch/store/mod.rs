//! Packages in object stores: S3 and compatible stores, Google Cloud Storage, Azure, and plain
//! folders. The crate `object_store` is their client.
//!
//! A store has no stale caches, and it replaces an object as a whole. A package only grows, so a
//! view of it stays valid after an update. For these reasons the rules of `docs/spec/dacti-http.md`
//! on ranges, joining, heads and budgets apply here, but the rules on tags do not: see the section
//! "Object stores" there.
//!
//! ```no_run
//! use dacti::Package;
//! use dacti::fetch::StoreOptions;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Credentials, region and endpoint come from AWS_ACCESS_KEY_ID and similar variables.
//! let options = StoreOptions { bytes_max: 1 << 20, ..StoreOptions::default() };
//! let (package, source) = Package::open_store_with("s3://bucket/site.dacti-pack", &options)?;
//! let page = package.get("index.html")?; // the head and this region: two requests
//! println!("{} bytes by {} requests", page.len(), source.stats().requests);
//! # Ok(())
//! # }
//! ```

mod client;
mod hint;
mod open;
mod options;
mod remote;
mod spending;

#[cfg(feature = "write")]
pub(crate) use client::Client;
#[cfg(feature = "dar")]
pub(crate) use open::{remote, source};
pub use options::StoreOptions;
