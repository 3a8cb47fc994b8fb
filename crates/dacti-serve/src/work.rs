//! Limits on the work of one request: bytes read, time, and whether the client is still there.
//!
//! A package reads its file on the thread of its caller. So the limits are set for a thread, and
//! each read of a package's file on that thread obeys them.

use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::time::Instant;

thread_local! {
    static CURRENT: RefCell<Option<Work>> = const { RefCell::new(None) };
}

/// The limits of the work on a thread.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    bytes_left: u64,
    end: Instant,
    abandoned: Arc<AtomicBool>,
    passed: bool,
}

/// Stands for the client that waits for the work. Dropping it means that the client is gone. The
/// work then ends at its next read.
#[derive(Debug)]
pub(crate) struct Client(Arc<AtomicBool>);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Work {
    /// Returns work of at most `bytes` and `time`, and the client that it is for.
    pub(crate) fn new(bytes: u64, time: Duration) -> (Self, Client) {
        let abandoned = Arc::new(AtomicBool::new(false));
        let now = Instant::now();
        let end = now.checked_add(time).unwrap_or(now);
        let client = Client(Arc::clone(&abandoned));
        (Self { bytes_left: bytes, end, abandoned, passed: false }, client)
    }

    /// Runs `work` within these limits. Returns its result, and whether the limit on bytes or time
    /// has stopped it.
    pub(crate) fn run<T>(self, work: impl FnOnce() -> T) -> (T, bool) {
        struct Restore(Option<Work>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let restore = Restore(CURRENT.replace(Some(self)));
        let result = work();
        let passed = CURRENT.with_borrow(|work| work.as_ref().is_some_and(|work| work.passed));
        drop(restore);
        (result, passed)
    }
}

/// The number of additional bytes for which [`allow`] adds one second.
const SECOND_LEN: u64 = 32 << 20;

/// Allows the work on this thread to read `len` bytes more, and gives it the time for them.
pub(crate) fn allow(len: u64) {
    CURRENT.with_borrow_mut(|work| {
        if let Some(work) = work {
            work.bytes_left = work.bytes_left.saturating_add(len);
            let time = Duration::from_secs(len / SECOND_LEN);
            work.end = work.end.checked_add(time).unwrap_or(work.end);
        }
    });
}

/// Counts a read of `len` bytes against the limits of the work on this thread.
pub(crate) fn read(len: usize) -> io::Result<()> {
    CURRENT.with_borrow_mut(|work| {
        let Some(work) = work else { return Ok(()) };
        if work.abandoned.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client is gone"));
        }
        let left = work.bytes_left.checked_sub(u64::try_from(len).unwrap_or(u64::MAX));
        if let Some(left) = left.filter(|_| Instant::now() < work.end) {
            work.bytes_left = left;
        } else {
            work.passed = true;
            let why = "the request needs more work than this server allows";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, why));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::{Work, allow, read};
    use core::time::Duration;
    use std::io::ErrorKind;

    const LONG: Duration = Duration::from_mins(10);

    #[test]
    fn work_ends_at_its_bounds_and_without_its_client() {
        let (work, _client) = Work::new(100, LONG);
        let (reads, passed) = work.run(|| (read(60).is_ok(), read(41).is_ok(), read(40).is_ok()));
        assert_eq!((reads, passed), ((true, false, true), true));

        let (work, _client) = Work::new(100, LONG);
        let (reads, passed) = work.run(|| {
            let before = read(101).is_ok();
            allow(1);
            (before, read(101).is_ok(), read(1).is_ok())
        });
        assert_eq!((reads, passed), ((false, true, false), true));

        let (work, _client) = Work::new(100, Duration::ZERO);
        let (result, passed) = work.run(|| read(1));
        assert_eq!((result.unwrap_err().kind(), passed), (ErrorKind::QuotaExceeded, true));

        let (work, client) = Work::new(100, LONG);
        let (result, passed) = work.run(|| {
            drop(client);
            read(1)
        });
        assert_eq!((result.unwrap_err().kind(), passed), (ErrorKind::ConnectionAborted, false));
    }

    #[test]
    fn reads_outside_of_any_work_are_not_bounded() {
        assert!(read(usize::MAX).is_ok());
        let (work, _client) = Work::new(1, LONG);
        let (inner, outer) = (Work::new(1, LONG), read(2));
        work.run(|| {
            assert!(outer.is_ok() && read(1).is_ok());
            assert!(inner.0.run(|| read(1)).0.is_ok(), "it has bounds of its own");
            assert!(read(1).is_err());
        });
        assert!(read(usize::MAX).is_ok());
    }
}
