//! Gets the bytes of a package: from files, memory, servers and object stores.
//!
//! It refuses to know what the bytes mean.

#[cfg(feature = "http")]
pub mod http;
pub mod source;
#[cfg(feature = "store")]
pub mod store;
