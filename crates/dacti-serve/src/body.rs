//! The body of an answer, made piece by piece as the client takes it.

use crate::read::{PIECE, read_later, read_now};
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
use tokio::sync::mpsc::Receiver;

/// A client that takes less than this, in bytes a second, after [`PATIENCE`], is let go: it would
/// hold its connection for as long as it likes.
const RATE_MIN: u64 = 1024;
const PATIENCE: Duration = Duration::from_mins(1);

/// The body of an answer.
pub(crate) enum Body {
    /// What is in hand.
    Whole(Option<Bytes>),
    /// Bytes of a file.
    File(FileBody),
    /// Pieces that another thread makes; an error ends the connection, so that nobody takes a part
    /// for the whole.
    Pieces(Receiver<io::Result<Bytes>>),
}

impl Body {
    pub(crate) const fn empty() -> Self {
        Self::Whole(None)
    }

    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match self.get_mut() {
            Self::Whole(bytes) => bytes.take().map(Ok),
            Self::File(file) => ready!(file.poll_piece(context)),
            Self::Pieces(pieces) => ready!(pieces.poll_recv(context)),
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::File(file) => file.left.is_empty(),
            Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let len = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| len(b.len()))),
            Self::File(file) => SizeHint::with_exact(span_len(&file.left)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// Bytes of a file, read as they are sent.
pub(crate) struct FileBody {
    file: Arc<File>,
    left: Range<u64>,
    sent: u64,
    started: Instant,
    waiting: Option<Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>>,
}

impl FileBody {
    pub(crate) fn new(file: Arc<File>, span: Range<u64>) -> Self {
        Self { file, left: span, sent: 0, started: Instant::now(), waiting: None }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        if let Err(slow) = self.check_rate() {
            return Poll::Ready(Some(Err(slow)));
        }
        let len = usize::try_from(span_len(&self.left)).unwrap_or(PIECE).min(PIECE);
        let read =
            if self.waiting.is_none() { read_now(&self.file, self.left.start, len) } else { None };
        let read = if let Some(read) = read {
            read
        } else {
            let waiting = self.waiting.get_or_insert_with(|| {
                Box::pin(read_later(Arc::clone(&self.file), self.left.start, len))
            });
            let read = ready!(waiting.as_mut().poll(context));
            self.waiting = None;
            read
        };
        Poll::Ready(Some(read.and_then(|piece| self.take(piece))))
    }

    fn take(&mut self, piece: Bytes) -> io::Result<Bytes> {
        if piece.is_empty() {
            // The file was cut since it was opened; the client sees a body that ends early.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left.start = self.left.start.saturating_add(len);
        self.sent = self.sent.saturating_add(len);
        Ok(piece)
    }

    fn check_rate(&self) -> io::Result<()> {
        let seconds = self.started.elapsed().saturating_sub(PATIENCE).as_secs();
        if self.sent < seconds.saturating_mul(RATE_MIN) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

const fn span_len(span: &Range<u64>) -> u64 {
    span.end.saturating_sub(span.start)
}
