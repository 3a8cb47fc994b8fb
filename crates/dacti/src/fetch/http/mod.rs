//! Packages under `http` and `https` URLs.
//!
//! The rules are those of `docs/spec/dacti-http.md`, which the crate `dacti-http` keeps; here is
//! the network.

mod client;
mod open;
mod options;
mod place;
mod remote;

pub use dacti_http::{Options as SessionOptions, is_presigned};
pub use options::HttpOptions;
