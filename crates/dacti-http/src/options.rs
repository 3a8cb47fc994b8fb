//! The limits of a session on requests, bytes and time.
//!
//! Specification: `docs/spec/dacti-http.md`, "Budget", "Retry".

/// The bounds of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The maximum number of retries of a request in one step of the escalation. A request is
    /// retried if the server did not answer it, or could not serve it at the moment.
    pub retries_max: u32,
    /// The maximum number of these retries that follow a timeout.
    pub silent_retries_max: u32,
    /// The maximum number of times in one step of the escalation that a range is resumed after an
    /// answer ended early.
    pub resumes_max: u32,
    /// The first wait before a retry, in milliseconds. The wait doubles with each retry; half of it
    /// is random.
    pub backoff_millis: u64,
    /// The longest wait before a retry, in milliseconds, unless the server asks for a longer one.
    pub backoff_millis_max: u64,
    /// The longest wait that a server may ask for by `Retry-After`, in seconds. If it asks for a
    /// longer wait, the fetch fails.
    pub retry_after_secs_max: u64,
    /// The maximum number of waits for an upload in progress: a newer head refers to bytes that no
    /// server or cache has yet.
    pub upload_waits_max: u32,
    /// The first of these waits, in milliseconds. Each further wait is twice as long.
    pub upload_wait_millis: u64,
    /// The longest time until the answer begins, the connection included, in milliseconds.
    pub first_byte_millis_max: u64,
    /// The longest silence in the middle of an answer, in milliseconds.
    pub silence_millis_max: u64,
    /// The slowest accepted transfer, in bytes a second. The time limit of a whole answer is the
    /// time at this rate, plus the longer of `first_byte_millis_max` and `silence_millis_max`.
    pub bytes_per_second_min: u64,
    /// Whether query strings may be added to the URL. Signed URLs accept none.
    pub tags: bool,
    /// The maximum number of bytes of a whole-file answer that are read to reach the end of the
    /// wanted range.
    pub skip_len_max: u64,
    /// The maximum length of a file, in bytes, that is read whole from a server without ranges.
    pub whole_len_max: u64,
    /// Whether a file of any length may be read whole from a server without ranges.
    pub allow_whole: bool,
    /// The maximum number of bytes of bodies that the session may read.
    pub bytes_max: u64,
    /// The maximum number of requests that the session may send.
    pub requests_max: u64,
}

impl Options {
    /// Returns the maximum number of requests that one fetch can send.
    ///
    /// Each step of the escalation has its own retries and resumes. A fetch has four steps at most:
    /// if the server refuses a tag in the first step, all three forms of the URL may follow. Each
    /// wait for an upload adds one step. Three more requests are possible: after a stale answer,
    /// after a redirect to a wrong place, and for a shorter range of the head.
    #[must_use]
    pub const fn requests_per_fetch_max(&self) -> u64 {
        // Sums of a few u32 are far below the maximum of u64.
        let retries = (self.retries_max as u64).saturating_add(1);
        let step = retries.saturating_add(self.resumes_max as u64);
        let steps = (self.upload_waits_max as u64).saturating_add(4);
        step.saturating_mul(steps).saturating_add(3)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retries_max: 3,
            silent_retries_max: 0,
            resumes_max: 16,
            backoff_millis: 100,
            backoff_millis_max: 5_000,
            retry_after_secs_max: 30,
            upload_waits_max: 3,
            upload_wait_millis: 1_000,
            first_byte_millis_max: 10_000,
            silence_millis_max: 10_000,
            bytes_per_second_min: 4_096,
            tags: true,
            skip_len_max: 1 << 20,
            whole_len_max: 1 << 20,
            allow_whole: false,
            bytes_max: u64::MAX,
            requests_max: u64::MAX,
        }
    }
}
