//! A window over a stream: the bytes that a machine wants, in one buffer.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;
use std::io::{self, Read};

/// The minimum number of bytes to read at once, so that small blocks share a call.
const READ_LEN: usize = 128 << 10;

/// A window over a stream: the bytes that were read and are not used yet.
#[derive(Debug)]
pub(crate) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    /// The unused bytes in the buffer.
    from: usize,
    to: usize,
    /// The offset of the unused bytes in the source.
    start: u64,
    ended: bool,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(source: R) -> Self {
        Self::starting_at(source, 0)
    }

    /// Makes a window over a source whose first byte has the offset `start`.
    pub(crate) fn starting_at(source: R, start: u64) -> Self {
        Self { source, buffer: Vec::new(), from: 0, to: 0, start, ended: false }
    }

    /// Reads until at least `len` bytes from `start` on are available, or the source ends. The
    /// buffer grows only as bytes arrive.
    pub(crate) fn fill(&mut self, start: u64, len: u64) -> io::Result<()> {
        loop {
            let drop = start.saturating_sub(self.start);
            let held = self.to.saturating_sub(self.from);
            let drop = usize::try_from(drop).unwrap_or(usize::MAX).min(held);
            self.from = self.from.saturating_add(drop);
            self.start = self.start.saturating_add(drop as u64);
            let ahead = start.saturating_sub(self.start);
            let held = self.to.saturating_sub(self.from) as u64;
            if self.ended || (ahead == 0 && held >= len) {
                return Ok(());
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to = self.to.saturating_sub(self.from);
            self.from = 0;
        }
        if self.buffer.len().saturating_sub(self.to) < READ_LEN / 2 {
            let grown = self.buffer.len().saturating_mul(2).max(READ_LEN);
            self.buffer.resize(grown, 0);
        }
        let room = self.buffer.get_mut(self.to..).unwrap_or_default();
        match self.source.read(room) {
            Ok(0) => self.ended = true,
            Ok(got) => self.to = self.to.saturating_add(got.min(room.len())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Frees the memory that a long item needed.
    pub(crate) fn shrink(&mut self) {
        if self.buffer.len() > READ_LEN.saturating_mul(8) {
            let held = self.bytes().to_vec();
            (self.from, self.to) = (0, held.len());
            self.buffer = held;
        }
    }

    /// Removes the first `len` unused bytes. Returns the buffer that holds these bytes, and their
    /// position in the buffer. Later reads go into `other`.
    pub(crate) fn take(&mut self, len: usize, mut other: Vec<u8>) -> (Vec<u8>, Range<usize>) {
        let end = self.from.saturating_add(len).min(self.to);
        let taken = self.from..end;
        let rest = self.buffer.get(end..self.to).unwrap_or_default();
        if other.len() < rest.len() {
            other.resize(rest.len().max(READ_LEN), 0);
        }
        if let Some(room) = other.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
        self.from = 0;
        self.to = rest.len();
        self.start = self.start.saturating_add(taken.len() as u64);
        (mem::replace(&mut self.buffer, other), taken)
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.from..self.to).unwrap_or_default()
    }
}
