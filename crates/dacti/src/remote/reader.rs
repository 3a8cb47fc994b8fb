//! The content of one region as a stream for async programs. It is decoded while it is fetched.

use super::Fetching;
use super::gathered::{Gathered, Operation};
use super::package::fetch;
use crate::seal::Verdict;
use crate::{Error, ErrorKind, Located, RegionReader, UnverifiedReader, VerifiedReader};
use bytes::Bytes;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use futures_util::Stream;
use std::io::{self, Read};
use std::sync::Arc;

/// The maximum length of a chunk, in bytes.
const CHUNK_LEN: usize = 64 * 1024;

/// A region's content, verified before its first byte: a [`RegionReader`] for async programs.
pub type AsyncRegionReader = AsyncReader<RegionReader>;

/// A region's content with a seal that is always checked: a [`VerifiedReader`] for async programs.
pub type AsyncVerifiedReader = AsyncReader<VerifiedReader>;

/// A region's content, decoded while it is fetched.
///
/// A caller can read the content with [`chunk`](Self::chunk), as a `Stream` of [`Bytes`], or as an
/// `AsyncRead` of `futures`. With the feature `http` or `store`, the reader is also an `AsyncRead`
/// of `tokio`. These ways can be mixed. A stream ends after its first error.
///
/// The bytes, checks, errors and cost are those of the wrapped reader. If the future of a call is
/// dropped before it is complete, no bytes are lost: the next call continues.
pub struct AsyncReader<R> {
    reader: R,
    drive: Drive,
    /// Whether the stream has returned its end or an error.
    has_ended: bool,
}

impl<R: fmt::Debug> fmt::Debug for AsyncReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncReader").field(&self.reader).finish()
    }
}

macro_rules! describe {
    ($($reader:ty),*) => {$(
        impl AsyncReader<$reader> {
            /// Returns where the region is stored.
            #[must_use]
            pub const fn located(&self) -> &Located {
                self.reader.located()
            }

            /// Returns which check was made; `None` before it was made.
            #[must_use]
            pub const fn verdict(&self) -> Option<Verdict> {
                self.reader.verdict()
            }
        }
    )*};
}

describe!(RegionReader, VerifiedReader, UnverifiedReader);

impl<R: Read> AsyncReader<R> {
    pub(super) fn new(reader: R, gathered: Arc<Gathered>) -> Self {
        Self { reader, drive: Drive::new(gathered), has_ended: false }
    }

    /// Returns the next bytes of the content, at most 64 KiB; `None` at its end.
    ///
    /// # Errors
    /// Wrong stored bytes, and errors of the network.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Vec<u8>>, Error>> {
        let mut chunk = vec![0; CHUNK_LEN];
        let read = ready!(self.poll_into(context, &mut chunk))?;
        chunk.truncate(read);
        Poll::Ready(Ok((read > 0).then_some(chunk)))
    }

    fn poll_into(
        &mut self,
        context: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        let Self { reader, drive, .. } = self;
        drive.poll(context, || reader.read(out))
    }
}

impl<R: Read + Unpin> Stream for AsyncReader<R> {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        let chunk = ready!(this.poll_chunk(context)).transpose();
        this.has_ended = !matches!(chunk, Some(Ok(_)));
        Poll::Ready(chunk.map(|chunk| chunk.map(Bytes::from)))
    }
}

impl<R: Read + Unpin> futures_util::io::AsyncRead for AsyncReader<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_into(context, out).map_err(io::Error::other)
    }
}

#[cfg(any(feature = "http", feature = "store"))]
impl<R: Read + Unpin> tokio::io::AsyncRead for AsyncReader<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = out.initialize_unfilled();
        let read = ready!(self.get_mut().poll_into(context, rest)).map_err(io::Error::other)?;
        out.advance(read);
        Poll::Ready(Ok(()))
    }
}

/// Runs a reader with the bytes that were fetched so far. If the reader lacks bytes, they are
/// fetched, one piece at a time.
pub(super) struct Drive {
    gathered: Arc<Gathered>,
    operation: Arc<Operation>,
    /// The fetch that must end before the reader continues.
    fetching: Option<Fetching<()>>,
}

impl Drive {
    pub(super) fn new(gathered: Arc<Gathered>) -> Self {
        Self { gathered, operation: Arc::default(), fetching: None }
    }

    /// Runs `work` until it has all bytes that it needs. After an error of its source, `work` must
    /// be able to run again.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut work: impl FnMut() -> io::Result<T>,
    ) -> Poll<Result<T, Error>> {
        loop {
            if let Some(fetching) = &mut self.fetching {
                let fetched = ready!(fetching.as_mut().poll(context));
                self.fetching = None;
                fetched?;
            }
            let Self { gathered, operation, .. } = self;
            let done = gathered.within(operation, &mut work);
            let remote = Arc::clone(gathered.remote());
            if let Some((span, told)) = operation.take_missing() {
                // The reader needs only one piece at a time.
                operation.forget_all();
                self.fetching = Some(Box::pin(fetch(remote, Arc::clone(operation), span, told)));
                continue;
            }
            let error = match done.map_err(Error::from_read) {
                Ok(done) => return Poll::Ready(Ok(done)),
                Err(error) => error,
            };
            if error.kind() != ErrorKind::Stale {
                return Poll::Ready(Err(error));
            }
            self.fetching = Some(Box::pin(async { Err(remote.explained(error).await) }));
        }
    }
}
