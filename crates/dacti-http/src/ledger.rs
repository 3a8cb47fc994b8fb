//! The budget of requests and bytes, and the counts of a session.
//!
//! Every reader with a budget has a ledger: HTTP sessions, object stores and bounded files.
//! Specification: `docs/spec/dacti-http.md`, "Budget".

use crate::{Error, Fault};

/// The costs and events of a session so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Requests sent, redirects included.
    pub requests: u64,
    /// Bytes of bodies that were read.
    pub bytes: u64,
    /// Answers that ended early and were continued by a request for the missing bytes.
    pub resumes: u64,
    /// Requests that were sent again unchanged.
    pub retries: u64,
    /// Steps of the escalation: to the slice's tag, or to a nonce.
    pub escalations: u64,
    /// Stale answers: those with status 416, and those whose bytes the caller found wrong.
    pub stale: u64,
    /// Answers with status 416.
    pub not_satisfiable: u64,
    /// Answers with status 200 to requests for a range.
    pub whole: u64,
    /// Redirects followed.
    pub redirects: u64,
}

impl Stats {
    /// Returns the sums of the counts of two sessions.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            bytes: self.bytes.saturating_add(other.bytes),
            resumes: self.resumes.saturating_add(other.resumes),
            retries: self.retries.saturating_add(other.retries),
            escalations: self.escalations.saturating_add(other.escalations),
            stale: self.stale.saturating_add(other.stale),
            not_satisfiable: self.not_satisfiable.saturating_add(other.not_satisfiable),
            whole: self.whole.saturating_add(other.whole),
            redirects: self.redirects.saturating_add(other.redirects),
        }
    }

    /// Counts a fault of an answer.
    pub(crate) fn count(&mut self, fault: &Fault) {
        match fault {
            Fault::NotSatisfiable { .. } => {
                self.not_satisfiable = self.not_satisfiable.saturating_add(1);
            }
            Fault::Doubt(_) => {}
            _ => return,
        }
        self.stale = self.stale.saturating_add(1);
    }
}

/// Adds one to a count.
pub(crate) fn more(count: &mut u64) {
    *count = count.saturating_add(1);
}

/// Bounds on requests and bytes, and the amounts spent.
///
/// A [`request`](Self::request) reserves its bytes before it is sent. [`take`](Self::take) counts
/// bytes that arrive, and [`release`](Self::release) frees the reserved bytes that did not arrive.
#[derive(Debug, Clone)]
pub struct Ledger {
    requests_max: u64,
    bytes_max: u64,
    stats: Stats,
    /// Reserved bytes, which requests in progress may still receive.
    held: u64,
}

impl Ledger {
    /// Returns a ledger with nothing spent.
    #[must_use]
    pub const fn new(requests_max: u64, bytes_max: u64) -> Self {
        Self { requests_max, bytes_max, stats: Stats::new(), held: 0 }
    }

    /// Returns the amounts spent and the events counted.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Counts one request, and reserves the `len` bytes that its answer may have. Call it before
    /// sending.
    ///
    /// # Errors
    /// `RequestsSpent` or `BytesSpent`; nothing is counted or reserved then.
    pub fn request(&mut self, len: u64) -> Result<(), Error> {
        if self.stats.requests >= self.requests_max {
            return Err(Error::RequestsSpent { max: self.requests_max });
        }
        self.hold(len)?;
        more(&mut self.stats.requests);
        Ok(())
    }

    /// Reserves `len` bytes of the budget.
    ///
    /// # Errors
    /// `BytesSpent`; nothing is reserved then.
    pub fn hold(&mut self, len: u64) -> Result<(), Error> {
        let max = self.bytes_max;
        let left = max.saturating_sub(self.stats.bytes).saturating_sub(self.held);
        if len > left {
            return Err(Error::BytesSpent { needed: len, left, max });
        }
        self.held = self.held.saturating_add(len);
        Ok(())
    }

    /// Frees `len` reserved bytes.
    pub fn release(&mut self, len: u64) {
        self.held = self.held.saturating_sub(len);
    }

    /// Counts `len` bytes that arrived, which are no longer reserved.
    pub fn take(&mut self, len: u64) {
        self.release(len);
        self.stats.bytes = self.stats.bytes.saturating_add(len);
    }

    /// Counts a request that is sent again.
    pub fn count_retry(&mut self) {
        more(&mut self.stats.retries);
    }

    /// Lowers the budget by amounts that were spent elsewhere for the same file.
    pub const fn lower(&mut self, requests: u64, bytes: u64) {
        self.requests_max = self.requests_max.saturating_sub(requests);
        self.bytes_max = self.bytes_max.saturating_sub(bytes);
    }

    pub(crate) const fn stats_mut(&mut self) -> &mut Stats {
        &mut self.stats
    }
}

impl Stats {
    const fn new() -> Self {
        Self {
            requests: 0,
            bytes: 0,
            resumes: 0,
            retries: 0,
            escalations: 0,
            stale: 0,
            not_satisfiable: 0,
            whole: 0,
            redirects: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;
    use crate::Error;

    #[test]
    fn requests_under_way_count_and_released_bytes_do_not() {
        // spec: R-HTTP-50
        let mut ledger = Ledger::new(4, 100);
        ledger.request(60).unwrap();
        let refused = Error::BytesSpent { needed: 41, left: 40, max: 100 };
        assert_eq!(ledger.request(41), Err(refused), "together they may bring 101");
        ledger.request(40).unwrap();
        ledger.take(60);
        ledger.release(40);
        assert_eq!((ledger.stats().requests, ledger.stats().bytes), (2, 60));
        ledger.request(40).unwrap();
        ledger.take(10);
        ledger.release(30);
        ledger.request(30).unwrap();
        assert_eq!(ledger.request(0), Err(Error::RequestsSpent { max: 4 }));
        ledger.release(30);
        assert_eq!(ledger.request(0), Err(Error::RequestsSpent { max: 4 }), "requests stay spent");
        assert_eq!(ledger.stats().bytes, 70);
    }
}
