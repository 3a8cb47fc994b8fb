//! The body of an answer, made piece by piece as the client receives it.

use crate::read::{PIECE, read_later, read_now};
use crate::search::Searched;
use bytes::Bytes;
use core::future::Future;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use http_body::{Frame, SizeHint};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Receiver;

/// The slowest accepted transfer after [`PATIENCE`], in bytes a second. A slower client is cut off,
/// because it could hold its connection and its permit for ever.
const RATE_MIN: u64 = 1024;
const PATIENCE: Duration = Duration::from_mins(1);

/// The body of an answer.
pub(crate) struct Body {
    source: Source,
    sent: u64,
    started: Instant,
    /// A fault that the next `poll_frame` returns, so that the pieces before the fault are sent
    /// first.
    fault: Option<io::Error>,
    /// The permit is released when the client has received the whole body, or leaves.
    _turn: Option<OwnedSemaphorePermit>,
}

/// The source of the bytes.
enum Source {
    /// Bytes in memory.
    Whole(Bytes),
    /// Bytes of a file.
    File(FileBody),
    /// Pieces that another thread makes. An error ends the connection, so that no client mistakes a
    /// part for the whole.
    Pieces(Receiver<io::Result<Bytes>>),
}

impl Body {
    fn new(source: Source, turn: Option<OwnedSemaphorePermit>) -> Self {
        Self { source, sent: 0, started: Instant::now(), fault: None, _turn: turn }
    }

    pub(crate) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::new(Source::Whole(bytes), None)
    }

    /// Returns a body that holds a permit until it is sent, because it takes memory until then.
    pub(crate) fn held(bytes: Bytes, turn: OwnedSemaphorePermit) -> Self {
        Self::new(Source::Whole(bytes), Some(turn))
    }

    /// Returns a body of bytes of a file. If `searched` is given, each chunk is searched for
    /// private keys before it is sent.
    pub(crate) fn file(file: Arc<File>, span: Range<u64>, searched: Option<Arc<Searched>>) -> Self {
        Self::new(Source::File(FileBody { file, left: span, searched, waiting: None }), None)
    }

    pub(crate) fn pieces(pieces: Receiver<io::Result<Bytes>>) -> Self {
        Self::new(Source::Pieces(pieces), None)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        if is_slow(body.started.elapsed(), body.sent) {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        if let Some(fault) = body.fault.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        let piece = match &mut body.source {
            Source::Whole(left) => {
                // The body is sent piece by piece, so that the client's speed can be measured.
                let piece = left.split_to(left.len().min(PIECE));
                (!piece.is_empty()).then_some(Ok(piece))
            }
            Source::File(file) => ready!(file.poll_piece(context)),
            Source::Pieces(pieces) => ready!(pieces.poll_recv(context)),
        };
        match piece {
            None => Poll::Ready(None),
            Some(Ok(piece)) => {
                body.sent = body.sent.saturating_add(len(&piece));
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            // If the body returned the error now, the connection would drop bytes that it has not
            // written yet. The connection writes these bytes while the body is pending, so the next
            // call returns the error.
            Some(Err(fault)) => {
                body.fault = Some(fault);
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(left) => left.is_empty(),
            Source::File(file) => file.left.is_empty(),
            Source::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(left) => SizeHint::with_exact(len(left)),
            Source::File(file) => SizeHint::with_exact(span_len(&file.left)),
            Source::Pieces(_) => SizeHint::default(),
        }
    }
}

/// Returns whether a client that took `sent` bytes in the time `elapsed` is too slow.
fn is_slow(elapsed: Duration, sent: u64) -> bool {
    sent < elapsed.saturating_sub(PATIENCE).as_secs().saturating_mul(RATE_MIN)
}

/// Bytes of a file, read as they are sent.
struct FileBody {
    file: Arc<File>,
    left: Range<u64>,
    searched: Option<Arc<Searched>>,
    waiting: Option<Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>>,
}

impl FileBody {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let (start, mut left) = (self.left.start, span_len(&self.left));
        let unsearched = self.searched.as_ref().filter(|searched| !searched.is_clean(start));
        if self.searched.is_some() {
            // A piece must not cross the end of a chunk, because chunks are searched one by one.
            left = left.min(Searched::chunk_end(start).saturating_sub(start));
        }
        let len = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let is_free = self.waiting.is_none() && unsearched.is_none();
        let read = if is_free { read_now(&self.file, start, len) } else { None };
        let read = if let Some(read) = read {
            read
        } else {
            let (file, unsearched) = (Arc::clone(&self.file), unsearched.cloned());
            let waiting = self.waiting.get_or_insert_with(|| {
                Box::pin(async move {
                    if let Some(searched) = unsearched {
                        searched.search(Arc::clone(&file), start).await?;
                    }
                    read_later(file, start, len).await
                })
            });
            let read = ready!(waiting.as_mut().poll(context));
            self.waiting = None;
            read
        };
        Poll::Ready(Some(read.and_then(|piece| self.take(piece))))
    }

    fn take(&mut self, piece: Bytes) -> io::Result<Bytes> {
        if piece.is_empty() {
            // The file became shorter after it was opened. The client sees a body that ends early.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left.start = self.left.start.saturating_add(len(&piece));
        Ok(piece)
    }
}

const fn span_len(span: &Range<u64>) -> u64 {
    span.end.saturating_sub(span.start)
}

fn len(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Body, PIECE, is_slow};
    use bytes::Bytes;
    use core::pin::Pin;
    use core::task::{Context, Poll, Waker};
    use core::time::Duration;
    use http_body::Body as _;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    #[test]
    fn a_client_has_a_minute_and_then_a_kibibyte_for_each_second() {
        let slow = |seconds, sent| is_slow(Duration::from_secs(seconds), sent);
        assert!(!slow(0, 0) && !slow(60, 0));
        assert!(slow(61, 1023) && !slow(61, 1024));
        assert!(slow(160, 102_399) && !slow(160, 102_400));
    }

    #[test]
    fn bytes_in_memory_hold_their_turn_until_they_are_sent() {
        let turns = Arc::new(Semaphore::new(1));
        let turn = Arc::clone(&turns).try_acquire_owned().unwrap();
        let bytes = Bytes::from(vec![1; 2 * PIECE + 1]);
        let mut body = Body::held(bytes.clone(), turn);
        let mut taken = Vec::new();
        for expected in [PIECE, PIECE, 1] {
            assert_eq!((turns.available_permits(), body.is_end_stream()), (0, false));
            let polled = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Some(Ok(frame))) = polled else { panic!("it is in hand") };
            let piece = frame.into_data().unwrap();
            assert_eq!(piece.len(), expected);
            taken.extend(piece);
        }
        assert!(taken == bytes && body.is_end_stream());
        drop(body);
        assert_eq!(turns.available_permits(), 1);
    }

    #[test]
    fn a_fault_lets_the_pieces_before_it_leave() {
        let (pieces, taken) = tokio::sync::mpsc::channel(2);
        pieces.try_send(Ok(Bytes::from_static(b"a"))).unwrap();
        pieces.try_send(Err(std::io::ErrorKind::NotFound.into())).unwrap();
        let mut body = Body::pieces(taken);
        let mut poll = || {
            let polled = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
            polled.map(|piece| piece.map(|piece| piece.is_ok()))
        };
        assert_eq!((poll(), poll()), (Poll::Ready(Some(true)), Poll::Pending));
        assert_eq!(poll(), Poll::Ready(Some(false)));
    }
}
