//! Gets the bytes of a package from files, memory, servers and object stores.
//!
//! No module here interprets these bytes.

#[cfg(feature = "http-client")]
pub(crate) mod http;
mod location;
pub(crate) mod parts;
#[cfg(any(feature = "http-client", feature = "store"))]
mod pause;
mod redacted;
pub(crate) mod source;
#[cfg(feature = "store")]
pub(crate) mod store;
mod streak;
#[cfg(any(feature = "async", feature = "write"))]
pub(crate) mod temporary;
#[cfg(any(feature = "http", feature = "store"))]
mod tls;

#[cfg(any(feature = "http", feature = "store"))]
pub use crate::remote::RemoteSource;
#[cfg(feature = "async")]
pub use crate::remote::{Fetching, Remote, RemoteFile};
pub use dacti_http::{Error as FetchError, Stats};
#[cfg(feature = "http-client")]
pub use http::{
    Exchange, HttpAnswer, HttpClient, HttpEnd, HttpOptions, HttpRequest, HttpSent, PartCache,
    SessionOptions, is_presigned, open_remote,
};
#[cfg(feature = "http")]
pub use http::{HttpAsker, PlainAnswer};
pub use location::{Location, LocationKind};
pub use parts::{PartObjects, PartsSource, open_file};
#[cfg(any(feature = "http-client", feature = "store"))]
pub use pause::{OnPause, Pause};
#[cfg(any(unix, windows))]
pub use source::MmapSource;
pub use source::{BytesSource, Counted, Doubt, FileSource, Lent, ReadAt, ReadStats};
#[cfg(feature = "store")]
pub use store::StoreOptions;
pub use streak::FaultStreak;

use crate::Error;
use std::io;
use std::path::Path;

/// Returns the text of an error and of all its causes, without repetitions.
#[cfg(any(feature = "http", feature = "store"))]
pub(crate) fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

/// Returns `contents` if the check of the file succeeded. Otherwise replaces each content by the
/// error of the check. Errors in `contents` stay.
pub(crate) fn refuse_unless<T>(
    confirmed: Result<(), Error>,
    contents: Vec<Result<T, Error>>,
) -> Vec<Result<T, Error>> {
    let Err(error) = confirmed else { return contents };
    contents.into_iter().map(|content| content.and_then(|_| Err(error.repeated()))).collect()
}

impl Error {
    /// Returns a copy of the error, for another region to which the error applies.
    pub(crate) fn repeated(&self) -> Self {
        match self {
            Self::Remote { place, kind, source } => Self::Remote {
                place: place.clone(),
                kind: *kind,
                source: source.to_string().into(),
            },
            Self::Io { action, path, source } => {
                let again = io::Error::new(source.kind(), source.to_string());
                Self::io(action, path, again)
            }
            Self::Container(fault) => Self::Container(*fault),
            Self::Index(fault) => Self::Index(*fault),
            Self::Lookup(fault) => Self::Lookup(*fault),
            other => Self::io("read", Path::new(""), io::Error::other(other.to_string())),
        }
    }
}
