//! Packages at `http` and `https` URLs.
//!
//! The crate `dacti-http` implements the rules of `docs/spec/dacti-http.md`. This module sends the
//! requests of that crate with an HTTP client.

#[cfg(feature = "http")]
mod asker;
mod client;
mod exchange;
#[cfg(feature = "http")]
mod network;
mod open;
mod options;
mod place;
mod remote;

#[cfg(feature = "http")]
pub use asker::{HttpAsker, PlainAnswer};
pub use dacti_http::{Options as SessionOptions, is_presigned};
pub use exchange::{Exchange, HttpAnswer, HttpClient, HttpEnd, HttpRequest, HttpSent, PartCache};
pub use open::open_remote;
#[cfg(all(feature = "dar", feature = "http"))]
pub(crate) use open::{remote, source};
pub use options::HttpOptions;
