//! DAR archives in files, in memory, under URLs and in object stores. They are read by the crate
//! `dacti-dar`, from the same sources as packages.
//!
//! Archives under URLs are read with the same requests, budgets and retries as packages. An archive
//! is never changed in place, so no cache can have stale bytes of it. `AsyncArchive` reads archives
//! in async programs.
//!
//! ```no_run
//! # #[cfg(feature = "http")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dacti::dar::{Archive, DarSource};
//! use dacti::fetch::HttpOptions;
//!
//! let url = "https://example.org/site.dar";
//! let (source, remote) = DarSource::open_url(url, &HttpOptions::default())?;
//! let archive = Archive::open(source)?;
//! let cid = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq".parse()?;
//! let block = archive.get(&cid)?; // four requests of at most 64 KiB
//! println!("{:?} by {} requests", block, remote.stats().requests);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "http"))]
//! # fn main() {}
//! ```

#[cfg(feature = "async")]
mod async_archive;
mod search;

#[cfg(any(feature = "http", feature = "store"))]
use crate::Error;
#[cfg(feature = "http")]
use crate::fetch::HttpOptions;
use crate::fetch::ReadAt;
#[cfg(any(feature = "http", feature = "store"))]
use crate::fetch::RemoteSource;
#[cfg(feature = "store")]
use crate::fetch::StoreOptions;
use crate::fetch::source::read_full_of;
use std::io;
use std::sync::Arc;

#[cfg(feature = "async")]
pub use async_archive::{AsyncArchive, AsyncFile, Blocks};
pub use dacti_dar::{Archive, Cid, ReadError, ReadOptions, Reader, SubDag, Walk};
pub use search::{BlockSearch, KeyInBlock, key_check};

/// A source of DAR archives that wraps a source of packages.
#[derive(Debug, Clone)]
pub struct DarSource(Arc<dyn ReadAt>);

impl DarSource {
    /// Creates a source of archives from any source of packages.
    #[must_use]
    pub fn new(source: Arc<dyn ReadAt>) -> Self {
        Self(source)
    }

    /// Opens the archive at an `http` or `https` URL. The second value counts the requests and
    /// bytes.
    ///
    /// The trailer is at the end of an archive, so the file's length must be known. If no answer to
    /// a range request states the length, one request without a range is sent. If its answer does
    /// not state the length either, the file is read whole, within the limits of
    /// [`SessionOptions`].
    ///
    /// [`SessionOptions`]: crate::fetch::SessionOptions
    ///
    /// # Errors
    /// `Remote`.
    #[cfg(feature = "http")]
    pub fn open_url(url: &str, options: &HttpOptions) -> Result<(Self, Arc<RemoteSource>), Error> {
        Ok(Self::of_remote(crate::fetch::http::source(url, options)?))
    }

    /// Opens the archive at a URL of an object store. The second value counts the requests and
    /// bytes.
    ///
    /// # Errors
    /// `Remote`.
    #[cfg(feature = "store")]
    pub fn open_store(
        url: &str,
        options: &StoreOptions,
    ) -> Result<(Self, Arc<RemoteSource>), Error> {
        Ok(Self::of_remote(crate::fetch::store::source(url, options)?))
    }

    #[cfg(any(feature = "http", feature = "store"))]
    fn of_remote(source: RemoteSource) -> (Self, Arc<RemoteSource>) {
        let source = Arc::new(source);
        (Self(Arc::clone(&source) as Arc<dyn ReadAt>), source)
    }
}

impl dacti_dar::ReadAt for DarSource {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        // A fetch past the end would look like a truncated file, so the read is shortened to end at
        // the file's end.
        let rest = self.0.len().saturating_sub(offset);
        let most = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        read_full_of(|at, room| self.0.read_at(at, room), offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len())
    }
}
