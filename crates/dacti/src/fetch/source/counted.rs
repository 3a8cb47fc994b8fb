//! A source that counts its reads, and may limit them.

use super::{Doubt, ReadAt};
use dacti_http::Ledger;
use daicon_core::Span;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counts of a [`Counted`] source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadStats {
    /// The number of reads.
    pub reads: u64,
    /// The number of bytes that these reads returned.
    pub bytes: u64,
}

/// A source that counts its reads, and may limit them.
///
/// It lends no bytes, so every byte that is used is counted. It is never [local](ReadAt::is_local),
/// so a file is read in the same ranges as over a network.
#[derive(Debug, Clone)]
pub struct Counted {
    source: Arc<dyn ReadAt>,
    ledger: Arc<Mutex<Ledger>>,
}

impl Counted {
    /// Counts the reads of `source`. Clones of this value share their counts.
    #[must_use]
    pub fn new(source: Arc<dyn ReadAt>) -> Self {
        Self::bounded(source, u64::MAX, u64::MAX)
    }

    /// Does the same as [`new`](Self::new), but allows at most `reads_max` reads, and at most
    /// `bytes_max` bytes in all reads together. A read that would exceed a limit is not made, and
    /// returns an error of the kind `QuotaExceeded`.
    #[must_use]
    pub fn bounded(source: Arc<dyn ReadAt>, reads_max: u64, bytes_max: u64) -> Self {
        Self { source, ledger: Arc::new(Mutex::new(Ledger::new(reads_max, bytes_max))) }
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn stats(&self) -> ReadStats {
        let stats = self.ledger().stats();
        ReadStats { reads: stats.requests, bytes: stats.bytes }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for Counted {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn len_is_hint(&self) -> bool {
        self.source.len_is_hint()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        // Bytes past the end do not count, because they do not exist.
        let wanted = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let held = wanted.min(self.len().saturating_sub(at));
        let spent = self.ledger().request(held);
        spent.map_err(|error| io::Error::new(io::ErrorKind::QuotaExceeded, error))?;
        let read = self.source.read_at(at, buf);
        let brought = u64::try_from(*read.as_ref().unwrap_or(&0)).unwrap_or(u64::MAX);
        let mut ledger = self.ledger();
        ledger.release(held.saturating_sub(brought));
        ledger.take(brought);
        drop(ledger);
        read
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

    fn is_in_parts(&self) -> bool {
        self.source.is_in_parts()
    }

    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        self.source.doubt(span, why)
    }

    fn note_region(&self, region: Span) {
        self.source.note_region(region);
    }

    fn confirm(&self) -> io::Result<()> {
        self.source.confirm()
    }

    fn look(&self, reads: bool) -> Option<Span> {
        self.source.look(reads)
    }
}

#[cfg(test)]
mod tests {
    use super::Counted;
    use crate::fetch::source::{BytesSource, ReadAt};
    use std::io;
    use std::sync::Arc;

    #[test]
    fn a_read_that_would_pass_a_bound_is_not_made() {
        let source: Arc<dyn ReadAt> = Arc::new(BytesSource::new(vec![7; 10]));
        let counted = Counted::bounded(source, 3, 8);
        assert_eq!(counted.read_at(4, &mut [0; 6]).unwrap(), 6);
        let error = counted.read_at(0, &mut [0; 3]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        assert!(
            error.to_string().contains("needs 3 bytes, but only 2 of the budget of 8"),
            "{error}"
        );
        // Bytes past the end are not counted.
        assert_eq!(counted.read_at(8, &mut [0; 6]).unwrap(), 2);
        assert_eq!((counted.stats().reads, counted.stats().bytes), (2, 8));
        assert_eq!(counted.read_at(10, &mut [0; 1]).unwrap(), 0);
        let error = counted.read_at(10, &mut [0; 1]).unwrap_err();
        assert!(error.to_string().contains("budget of 3 requests is spent"), "{error}");
    }
}
