//! Files that are fetched range by range, over whatever network: what blocking and async reading
//! have in common.
//!
//! It knows neither HTTP nor object stores, and they do not know who waits for them. No logic of
//! packages is async: it runs over what was fetched so far, says what it lacks, and is run again
//! when that is here.

mod ahead;
mod gathered;
mod identity;
mod package;
mod reader;
mod source;

pub(crate) use identity::{identity, identity_of_head};
pub use package::AsyncPackage;
pub use reader::AsyncRegionReader;
pub use source::RemoteSource;
pub(crate) use source::Runner;

use crate::fetch::source::{Doubt, ReadAt};
use crate::{Error, View};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use dacti_http::Stats;
use daicon_core::Span;
use std::io;
use std::sync::Arc;

/// What somebody waits for, on a runtime of `tokio`.
pub(crate) type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// What is known of a file since it was opened, and how it is best read.
pub(crate) struct RemoteFile {
    /// The head, or all of a shorter file.
    pub(crate) head: Vec<u8>,
    /// The file's length in bytes, as far as it is known; else [`LEN_UNKNOWN`].
    pub(crate) len: u64,
    /// Bytes that are best fetched at once of what is streamed.
    pub(crate) read_len: usize,
    /// Fetches that may be under way at once.
    pub(crate) concurrency: usize,
}

impl fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFile")
            .field("head_len", &self.head.len())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// More than any file has: of a server without a word on it, and where the head is a copy.
pub(crate) const LEN_UNKNOWN: u64 = u64::MAX >> 1;

/// A file that is fetched range by range. Its head was fetched when it was opened.
///
/// Whoever adds a kind of them says how one range is fetched, and what it means that bytes were
/// wrong; what waits, reads ahead, opens packages and drives the async ones is here.
pub(crate) trait Remote: fmt::Debug + Send + Sync {
    /// What is known of it since it was opened.
    fn file(&self) -> &RemoteFile;

    /// What was spent so far, and what was met.
    fn stats(&self) -> Stats;

    /// Whether the file was read whole, as there was no other way.
    fn is_whole(&self) -> bool {
        false
    }

    /// Fetches `span`, which is not empty and lies within the file, all of it.
    fn fetch(self: Arc<Self>, span: Span) -> Waiting<Vec<u8>>;

    /// The bytes of `span` where the whole file is at hand; fewer only at its end.
    fn at_hand(&self, span: Span) -> Option<io::Result<Vec<u8>>> {
        let _ = span;
        None
    }

    /// Whether the bytes of `span`, which are wrong, come no other way.
    fn is_final(&self, span: Span) -> bool;

    /// Takes notice that the bytes of `span` were wrong. True where they come another way next
    /// time.
    ///
    /// # Errors
    /// What is known of the cause where no way is left.
    fn doubt(&self, span: Span, why: Doubt) -> Result<bool, Error>;

    /// That `error`, which says that bytes were wrong or not there, came of another file in the
    /// place of the one that was opened, where that is so.
    fn explained(self: Arc<Self>, error: Error) -> Pin<Box<dyn Future<Output = Error> + Send>>;

    /// The same file with a head that was fetched past all caches; `None` where there are none.
    fn reloaded(self: Arc<Self>) -> Waiting<Option<Arc<dyn Remote>>>;

    /// Takes notice of what the head says.
    fn opened(&self, view: &View);

    /// The part of `span` that lies in the file.
    fn clipped(&self, span: Span) -> Span {
        Span { start: span.start, end: span.end.min(self.file().len).max(span.start) }
    }

    /// The bytes of `span` where they are in the head.
    fn in_head(&self, span: Span) -> Option<&[u8]> {
        span.slice_of(&self.file().head, 0)
    }

    /// The bytes of `span` where nothing needs to be fetched for them, and what does where not.
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

    /// What has to be fetched for `span`.
    fn far(&self, span: Span) -> Option<Span> {
        let span = self.clipped(span);
        let far = !span.is_empty() && self.in_head(span).is_none() && !self.is_whole();
        far.then_some(span)
    }
}

/// Reads into `buf` by a source that hands out vectors.
fn read_into(source: &dyn ReadAt, at: u64, buf: &mut [u8]) -> io::Result<usize> {
    let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
    let bytes = source.read(Span { start: at, end: at.saturating_add(len) })?;
    for (to, from) in buf.iter_mut().zip(&bytes) {
        *to = *from;
    }
    Ok(bytes.len())
}
