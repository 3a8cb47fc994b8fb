//! Sends the bytes of an answer from the thread that makes them to the client.

use crate::body::Body;
use crate::read::PIECE;
use bytes::Bytes;
use std::io::{self, Write};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;

/// Accepts bytes as fast as the client receives them. Writing fails after the client has left.
#[derive(Debug)]
pub(super) struct Sink {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Sink {
    /// Fails if the client is gone.
    pub(super) fn refuse_closed(&self) -> io::Result<()> {
        if self.pieces.is_closed() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = core::mem::take(&mut self.piece);
        if piece.is_empty() {
            return Ok(());
        }
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone");
        self.pieces.blocking_send(Ok(piece.into())).map_err(gone)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE.saturating_sub(self.piece.len()));
        self.piece.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// Returns a body whose bytes `write` makes on a thread that may block. If `write` fails, the
/// connection ends within the body, so that the client sees a cut answer. The permit is released
/// when the work ends.
pub(super) fn stream(
    write: impl FnOnce(&mut Sink) -> io::Result<()> + Send + 'static,
    turn: OwnedSemaphorePermit,
) -> Body {
    let (pieces, taken) = mpsc::channel(2);
    spawn_blocking(move || {
        let mut sink = Sink { pieces, piece: Vec::new() };
        if let Err(error) = write(&mut sink).and_then(|()| sink.flush()) {
            // The bytes before the fault are sent, so that the client receives as much as possible.
            let _ = sink.send();
            let _ = sink.pieces.blocking_send(Err(error));
        }
        drop(turn);
    });
    Body::pieces(taken)
}
