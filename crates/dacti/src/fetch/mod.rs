//! Gets the bytes of a package: from files, memory, servers and object stores.
//!
//! It refuses to know what the bytes mean.

#[cfg(feature = "http")]
pub(crate) mod http;
pub(crate) mod source;
#[cfg(feature = "store")]
pub(crate) mod store;
#[cfg(any(feature = "http", feature = "store"))]
mod tls;

#[cfg(any(feature = "http", feature = "store"))]
pub use crate::remote::RemoteSource;
#[cfg(feature = "async")]
pub use crate::remote::{Fetching, Remote, RemoteFile};
#[cfg(feature = "async")]
pub use dacti_http::Stats;
#[cfg(feature = "http")]
pub use http::{HttpOptions, SessionOptions, is_presigned};
#[cfg(any(unix, windows))]
pub use source::MmapSource;
pub use source::{BytesSource, Counted, Doubt, FileSource, Lent, ReadAt, ReadStats};
#[cfg(feature = "store")]
pub use store::StoreOptions;
