//! The trait that a transport implements to fetch the bytes of a package over a network.

use crate::fetch::Doubt;
use crate::{Error, View};
use core::fmt;
use core::future::{Future, ready};
use core::pin::Pin;
use dacti_http::Stats;
use daicon_core::{SIGNATURE, Span};
use std::io;
use std::sync::Arc;

/// A fetch in progress.
pub type Fetching<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A file that is fetched range by range: its head, and the best way to read the rest of the file.
#[non_exhaustive]
pub struct RemoteFile {
    /// The first 65,536 bytes, or all of a shorter file.
    pub head: Vec<u8>,
    /// The file's length in bytes, or [`LEN_UNKNOWN`](Self::LEN_UNKNOWN).
    pub len: u64,
    /// Whether the file may be longer than `len`.
    pub len_is_hint: bool,
    /// The best length of one fetch, if a region is streamed.
    pub read_len: usize,
    /// The maximum number of fetches in progress at once.
    pub concurrency: usize,
    /// Whether the caller has set a budget of bytes. If so, only wanted bytes are fetched.
    pub has_budget: bool,
}

impl RemoteFile {
    /// The value of [`len`](Self::len) if the file's length is unknown, because the server does not
    /// report it. No file is as long as this.
    pub const LEN_UNKNOWN: u64 = u64::MAX >> 1;

    /// Creates a file with this head and length. Its regions are streamed in fetches of 4 MiB, at
    /// most 16 at once.
    #[must_use]
    pub const fn new(head: Vec<u8>, len: u64) -> Self {
        let (read_len, concurrency) = (4 << 20, 16);
        Self { head, len, len_is_hint: false, read_len, concurrency, has_budget: false }
    }
}

impl fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFile")
            .field("head_len", &self.head.len())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// A transport: it fetches ranges of one file. The file's head was fetched before.
///
/// [`AsyncPackage::from_remote`](crate::AsyncPackage::from_remote) opens the package that a
/// transport fetches. Two methods are enough. The others are for transports that count requests, or
/// that read through caches, which may be stale. A future is polled on the executor that polls the
/// package's future. Dropping a future ends its fetch.
///
/// ```
/// use dacti::fetch::{Fetching, Remote, RemoteFile};
/// use dacti::{AsyncPackage, Error, Limits, Span};
/// use std::sync::Arc;
///
/// /// A peer that holds the file, here in memory.
/// #[derive(Debug)]
/// struct Peer {
///     file: RemoteFile,
///     bytes: Vec<u8>,
/// }
///
/// impl Remote for Peer {
///     fn file(&self) -> &RemoteFile {
///         &self.file
///     }
///
///     fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>> {
///         Box::pin(async move {
///             let range = span.start as usize..span.end as usize;
///             // The network is asked here, and a failure is an `Error::Remote`.
///             Ok(self.bytes[range].to_vec())
///         })
///     }
/// }
///
/// async fn read(bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
///     let head = bytes[..bytes.len().min(65_536)].to_vec();
///     let file = RemoteFile::new(head, bytes.len() as u64);
///     let peer = Arc::new(Peer { file, bytes });
///     let package = AsyncPackage::from_remote(peer, Limits::default()).await?;
///     package.get("guide/index.html").await
/// }
/// ```
pub trait Remote: fmt::Debug + Send + Sync {
    /// Returns the head, and the best way to read the rest of the file.
    fn file(&self) -> &RemoteFile;

    /// Returns whether the file is the head of a package in parts. If it is, spans are positions in
    /// the package, and [`RemoteFile::len`] is the package's length.
    fn is_in_parts(&self) -> bool {
        false
    }

    /// Fetches all bytes of `span`, which is not empty and lies within the file's length.
    ///
    /// If other reads may fail in the same way, the error must be an [`Error::Remote`].
    fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>>;

    /// Returns the numbers of requests and bytes so far.
    fn stats(&self) -> Stats {
        Stats::default()
    }

    /// Returns whether the whole file was fetched, because the server does not support ranges.
    fn is_whole(&self) -> bool {
        false
    }

    /// Returns the bytes of `span` if the whole file was fetched before. There are fewer bytes only
    /// if the file ends first.
    fn at_hand(&self, span: Span) -> Option<io::Result<Vec<u8>>> {
        let _ = span;
        None
    }

    /// Returns whether there is only one way to fetch the bytes of `span`, so that wrong bytes stay
    /// wrong.
    fn is_final(&self, span: Span) -> bool {
        let _ = span;
        true
    }

    /// Records that the bytes of `span` were wrong. Returns whether the next fetch reads them in
    /// another way, such as past a cache. This is called only if the bytes are not
    /// [final](Self::is_final).
    ///
    /// # Errors
    /// The cause, if it is known and no other way is left.
    fn doubt(&self, span: Span, why: Doubt) -> Result<bool, Error> {
        let _ = (span, why);
        Ok(false)
    }

    /// Returns an error that gives the cause of `error`, if the cause is known; otherwise returns
    /// `error` itself. `error` says that bytes were stale. The cause may be that another file has
    /// replaced the file that was opened.
    fn explained(self: Arc<Self>, error: Error) -> Pin<Box<dyn Future<Output = Error> + Send>> {
        Box::pin(ready(error))
    }

    /// Returns the error that every further read gives, if another file has replaced this one.
    fn ended(&self) -> Option<Error> {
        None
    }

    /// Checks once more that the file is the one that was opened, if anything was fetched since the
    /// last check.
    fn confirmed(self: Arc<Self>) -> Fetching<()> {
        Box::pin(ready(Ok(())))
    }

    /// Returns the span that [`confirmed`](Self::confirmed) would fetch; `None` if it would fetch
    /// nothing. If `fetches` is set, this assumes that other bytes are fetched before that call.
    fn look(&self, fetches: bool) -> Option<Span> {
        let _ = fetches;
        None
    }

    /// Records that a region will be fetched piece by piece.
    fn note_region(&self, region: Span) {
        let _ = region;
    }

    /// Returns whether the head looks like the beginning of a package whose upload is in progress.
    fn may_be_upload(&self) -> bool {
        let start = self.file().head.get(..SIGNATURE.len()).unwrap_or(&self.file().head);
        SIGNATURE.starts_with(start) || start.iter().all(|byte| *byte == 0)
    }

    /// Returns the same file with a fresh head. `n` is the number of the try, counted from 0. The
    /// first try reads past all caches. Later tries first wait for an upload. Returns `None` if
    /// there are no more tries.
    fn reloaded(self: Arc<Self>, n: u32) -> Fetching<Option<Arc<dyn Remote>>> {
        let _ = n;
        Box::pin(ready(Ok(None)))
    }

    /// Receives the view of the package after the package was opened.
    fn opened(&self, view: &View) {
        let _ = view;
    }
}
