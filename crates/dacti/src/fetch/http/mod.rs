//! Packages at `http` and `https` URLs.
//!
//! The crate `dacti-http` has the rules of `docs/spec/dacti-http.md`; this module does the network
//! IO.

mod asker;
mod client;
mod open;
mod options;
mod place;
mod remote;

pub use asker::{HttpAnswer, HttpAsker};
pub use dacti_http::{Options as SessionOptions, is_presigned};
#[cfg(feature = "dar")]
pub(crate) use open::{remote, source};
pub use options::HttpOptions;
