//! Counts what is read, for those who pay by the request.

use super::{Doubt, ReadAt};
use core::sync::atomic::{AtomicU64, Ordering};
use daicon_core::Span;
use std::io;
use std::sync::Arc;

/// How much was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadStats {
    /// Calls that read.
    pub reads: u64,
    /// Bytes that they brought.
    pub bytes: u64,
}

/// A source that counts what is read from it. It lends nothing, so that all that is used is
/// counted, and is never [local](ReadAt::is_local): of a file, too, the counts are those of ranges.
#[derive(Debug, Clone)]
pub struct Counted {
    source: Arc<dyn ReadAt>,
    reads: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    /// Counts what is read from `source`. Clones share their counts.
    #[must_use]
    pub fn new(source: Arc<dyn ReadAt>) -> Self {
        Self { source, reads: Arc::default(), bytes: Arc::default() }
    }

    /// What was read so far.
    #[must_use]
    pub fn stats(&self) -> ReadStats {
        ReadStats {
            reads: self.reads.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl ReadAt for Counted {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read_at(at, buf)?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(read)
    }

    fn read_len(&self) -> usize {
        self.source.read_len()
    }

    fn will_read(&self, spans: &[Span]) {
        self.source.will_read(spans);
    }

    fn will_not_read(&self, spans: &[Span]) {
        self.source.will_not_read(spans);
    }

    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        self.source.doubt(span, why)
    }
}
