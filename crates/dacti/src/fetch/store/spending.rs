//! The budget of a store's requests, shared by all fetches.

use dacti_http::{Error, Ledger, Stats};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A ledger that all fetches share.
#[derive(Debug)]
pub(super) struct Spending(Mutex<Ledger>);

/// A request in progress. When it is dropped, the budget for bytes that were not received is
/// returned.
#[derive(Debug)]
pub(super) struct Held<'s> {
    spending: &'s Spending,
    len: u64,
}

impl Spending {
    pub(super) fn new(requests_max: u64, bytes_max: u64) -> Self {
        Self(Mutex::new(Ledger::new(requests_max, bytes_max)))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stats(&self) -> Stats {
        self.ledger().stats()
    }

    /// Reserves the budget for a request of `len` bytes. It must be called before the request is
    /// sent.
    pub(super) fn request(&self, len: u64) -> Result<Held<'_>, Error> {
        self.ledger().request(len)?;
        Ok(Held { spending: self, len })
    }

    /// Counts a read that is repeated because its bytes were wrong.
    pub(super) fn count_retry(&self) {
        self.ledger().count_retry();
    }
}

impl Held<'_> {
    /// Ends the request, which has returned `len` bytes.
    pub(super) fn brought(mut self, len: usize) {
        let len = u64::try_from(len).unwrap_or(u64::MAX).min(self.len);
        self.len = self.len.saturating_sub(len);
        self.spending.ledger().take(len);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.spending.ledger().release(self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::Spending;

    #[test]
    fn an_abandoned_request_gives_its_bytes_back() {
        // spec: R-HTTP-50
        let spending = Spending::new(4, 100);
        let first = spending.request(60).unwrap();
        assert!(spending.request(41).is_err(), "together they may bring 101");
        let second = spending.request(40).unwrap();
        first.brought(60);
        drop(second);
        assert_eq!((spending.stats().requests, spending.stats().bytes), (2, 60));
        spending.request(40).unwrap().brought(10);
        let last = spending.request(30).unwrap();
        assert!(spending.request(0).is_err());
        drop(last);
        assert!(spending.request(0).is_err(), "requests are not given back");
        assert_eq!(spending.stats().bytes, 70);
    }
}
