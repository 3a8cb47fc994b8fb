//! Packages in object stores: S3 and what speaks its language, Google Cloud Storage, Azure, and
//! plain folders, by the crate `object_store`.
//!
//! A store has no caches that are behind and rewrites nothing in place: an object is replaced as a
//! whole, and a view that was taken goes on, as a package only grows. So of the rules of
//! `docs/spec/dacti-http.md` those on ranges, joining, heads and budgets hold here, and those on
//! tags do not.

mod budget;
mod client;
mod open;
mod options;
mod remote;

pub use dacti_http::Stats;
pub use options::StoreOptions;
