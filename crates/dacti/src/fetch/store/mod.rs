//! Packages in object stores: S3 and what speaks its language, Google Cloud Storage, Azure, and
//! plain folders, by the crate `object_store`.
//!
//! A store has no caches that are behind and rewrites nothing in place: an object is replaced as a
//! whole, and a view that was taken goes on, as a package only grows. So of the rules of
//! `docs/spec/dacti-http.md` those on ranges, joining, heads and budgets hold here, and those on
//! tags do not: `docs/spec/dacti-http.md`, "Object stores".
//!
//! ```no_run
//! use dacti::Package;
//! use dacti::fetch::StoreOptions;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Credentials, region and endpoint are taken from AWS_ACCESS_KEY_ID and the like.
//! let options = StoreOptions { bytes_max: 1 << 20, ..StoreOptions::default() };
//! let (package, source) = Package::open_store_with("s3://bucket/site.dacti-pack", &options)?;
//! let page = package.get("index.html")?; // the head and this region: two requests
//! println!("{} bytes by {} requests", page.len(), source.stats().requests);
//! # Ok(())
//! # }
//! ```

mod budget;
mod client;
mod open;
mod options;
mod remote;

pub use options::StoreOptions;
