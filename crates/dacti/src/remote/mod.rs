//! Packages whose bytes are fetched range by range over any network. Blocking and async reading
//! share this code.
//!
//! This module uses neither HTTP nor object stores. The code of packages is not async. It runs with
//! the bytes that were fetched so far, and reports the bytes that it lacks. After these bytes were
//! fetched, the code runs again.

#[cfg(any(feature = "http", feature = "store"))]
mod ahead;
#[cfg(any(feature = "http", feature = "store"))]
mod driven;
mod gathered;
#[cfg(any(feature = "http-client", feature = "store"))]
mod identity;
mod package;
#[cfg(any(feature = "http-client", feature = "store"))]
mod parts;
mod reader;
#[cfg(any(feature = "http", feature = "store"))]
mod source;
mod transport;

#[cfg(all(feature = "dar", any(feature = "http", feature = "store")))]
pub(crate) use driven::driven;
#[cfg(any(feature = "dar", feature = "serde"))]
pub(crate) use gathered::{Gathered, Operation};
#[cfg(any(feature = "http-client", feature = "store"))]
pub(crate) use identity::{identity, identity_of_head};
pub use package::AsyncPackage;
#[cfg(any(feature = "dar", feature = "serde"))]
pub(crate) use package::run;
#[cfg(any(feature = "http-client", feature = "store"))]
pub(crate) use parts::{PartRange, PartTransport, of_its_form};
pub use reader::{AsyncReader, AsyncRegionReader, AsyncVerifiedReader};
#[cfg(any(feature = "http", feature = "store"))]
pub use source::RemoteSource;
#[cfg(any(feature = "http", feature = "store"))]
pub(crate) use source::Runner;
pub use transport::{Fetching, Remote, RemoteFile};

use crate::fetch::ReadAt;
use daicon_core::Span;
use std::io;

/// Separates reads that need no fetch from reads that need one.
pub(crate) trait Near: Remote {
    /// Returns the part of `span` that lies in the file.
    fn clipped(&self, span: Span) -> Span {
        let len = if self.file().len_is_hint { RemoteFile::LEN_UNKNOWN } else { self.file().len };
        Span { start: span.start, end: span.end.min(len).max(span.start) }
    }

    /// Returns the bytes of `span` if they are in the head.
    fn in_head(&self, span: Span) -> Option<&[u8]> {
        span.slice_of(&self.file().head, 0)
    }

    /// Returns the bytes of `span` if they are in memory, otherwise the span to fetch.
    fn near(&self, span: Span) -> Result<io::Result<Vec<u8>>, Span> {
        let span = self.clipped(span);
        if span.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        match self.in_head(span) {
            Some(bytes) => Ok(Ok(bytes.into())),
            None => self.at_hand(span).ok_or(span),
        }
    }

    /// Returns the span that must be fetched to read `span`, if any.
    fn far(&self, span: Span) -> Option<Span> {
        let span = self.clipped(span);
        let far = !span.is_empty() && self.in_head(span).is_none() && !self.is_whole();
        far.then_some(span)
    }
}

impl<R: Remote + ?Sized> Near for R {}

/// Reads into `buf` from a source whose `read` returns vectors.
fn read_into(source: &dyn ReadAt, at: u64, buf: &mut [u8]) -> io::Result<usize> {
    let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
    let bytes = source.read(Span { start: at, end: at.saturating_add(len) })?;
    for (to, from) in buf.iter_mut().zip(&bytes) {
        *to = *from;
    }
    Ok(bytes.len())
}
