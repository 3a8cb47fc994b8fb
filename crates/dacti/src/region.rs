//! The content of one region as a stream.

use crate::source::{ReadAt, read_full};
use dacti_index::{Decoder, Located};
use std::io::{self, Read};
use std::sync::Arc;

/// Stored bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// A region's content, decoded as it is read.
///
/// Memory: 64 KiB of stored bytes, and for `brot` the decoder's window of at most 16 MiB. Errors
/// carry a [`dacti_index::Error`] as their source.
#[derive(Debug)]
pub struct RegionReader {
    source: Arc<dyn ReadAt>,
    located: Located,
    decoder: Decoder,
    piece: Vec<u8>,
    taken: usize,
    next_at: u64,
}

impl RegionReader {
    pub(crate) fn new(
        source: Arc<dyn ReadAt>,
        located: Located,
        decoded_len_max: u64,
    ) -> Result<Self, dacti_index::Error> {
        let decoder = Decoder::new(&located, decoded_len_max)?;
        let next_at = located.span.start;
        Ok(Self { source, located, decoder, piece: Vec::new(), taken: 0, next_at })
    }

    /// Where the region is stored.
    #[must_use]
    pub const fn located(&self) -> &Located {
        &self.located
    }

    /// Decoded bytes handed out so far.
    #[must_use]
    pub const fn decoded_len(&self) -> u64 {
        self.decoder.decoded_len()
    }

    /// Reads the next piece of stored bytes; false where there is none.
    fn refill(&mut self) -> io::Result<bool> {
        let left = self.located.span.end.saturating_sub(self.next_at);
        let len = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        self.piece.resize(len, 0);
        let filled = read_full(&*self.source, self.next_at, &mut self.piece)?;
        self.piece.truncate(filled);
        self.taken = 0;
        self.next_at = self.next_at.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        Ok(filled > 0)
    }
}

impl Read for RegionReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let stored = self.piece.get(self.taken..).unwrap_or_default();
            let progress = self.decoder.decode(stored, out).map_err(invalid)?;
            self.taken = self.taken.saturating_add(progress.read);
            if progress.written > 0 || progress.done {
                return Ok(progress.written);
            }
            if self.taken == self.piece.len() && !self.refill()? {
                self.decoder.finish().map_err(invalid)?;
                return Ok(0);
            }
        }
    }
}

fn invalid(error: dacti_index::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
