//! What may be spent, and what was.

use dacti_http::Stats;
use std::sync::{Mutex, PoisonError};

/// A bound on requests and bytes, shared by all who fetch.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_max: u64,
    requests_max: u64,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    stats: Stats,
    /// Bytes that requests under way may still bring.
    reserved: u64,
}

/// That a request would be one too many, or bring too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the budget is spent: {requests} requests and {bytes} bytes so far, and {wanted} bytes more \
     would pass {requests_max} requests or {bytes_max} bytes: allow more, or ask for less"
)]
pub(super) struct Exceeded {
    requests: u64,
    bytes: u64,
    wanted: u64,
    requests_max: u64,
    bytes_max: u64,
}

/// A request under way; what it did not bring is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Held<'b> {
    budget: &'b Budget,
    reserved: u64,
}

impl Budget {
    pub(super) fn new(requests_max: u64, bytes_max: u64) -> Self {
        Self { bytes_max, requests_max, spent: Mutex::default() }
    }

    pub(super) fn stats(&self) -> Stats {
        self.with(|spent| spent.stats)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Spent) -> T) -> T {
        work(&mut self.spent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a request for `len` bytes out of the budget, before it is sent.
    pub(super) fn request(&self, len: u64) -> Result<Held<'_>, Exceeded> {
        self.with(|spent| {
            let taken = spent.stats.bytes.saturating_add(spent.reserved);
            let fits = spent.stats.requests < self.requests_max
                && taken.checked_add(len).is_some_and(|bytes| bytes <= self.bytes_max);
            if !fits {
                return Err(Exceeded {
                    requests: spent.stats.requests,
                    bytes: taken,
                    wanted: len,
                    requests_max: self.requests_max,
                    bytes_max: self.bytes_max,
                });
            }
            spent.stats.requests = spent.stats.requests.saturating_add(1);
            spent.reserved = spent.reserved.saturating_add(len);
            Ok(Held { budget: self, reserved: len })
        })
    }

    /// Counts a read that was done again, as its bytes were wrong.
    pub(super) fn retry(&self) {
        self.with(|spent| spent.stats.retries = spent.stats.retries.saturating_add(1));
    }
}

impl Held<'_> {
    /// The request is done, and brought `len` bytes.
    pub(super) fn brought(self, len: usize) {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.budget.with(|spent| spent.stats.bytes = spent.stats.bytes.saturating_add(len));
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let reserved = self.reserved;
        self.budget.with(|spent| spent.reserved = spent.reserved.saturating_sub(reserved));
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn what_is_under_way_counts_and_what_is_given_up_does_not() {
        let budget = Budget::new(4, 100);
        let first = budget.request(60).unwrap();
        assert!(budget.request(41).is_err(), "together they may bring 101");
        let second = budget.request(40).unwrap();
        first.brought(60);
        drop(second);
        assert_eq!((budget.stats().requests, budget.stats().bytes), (2, 60));
        budget.request(40).unwrap().brought(10);
        let last = budget.request(30).unwrap();
        let error = budget.request(0).unwrap_err();
        assert!(error.to_string().contains("4 requests"), "{error}");
        drop(last);
        assert!(budget.request(0).is_err(), "requests are not given back");
        assert_eq!(budget.stats().bytes, 70);
    }
}
