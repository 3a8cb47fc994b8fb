//! What a session may do, and how patient it is.
//!
//! Specification: `docs/spec/dacti-http.md`, "Budget", "Retry".

/// The bounds that a session keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How often a request is sent again that nobody answered, or that the server could not serve
    /// just then, before the next step of the escalation.
    pub retries_max: u32,
    /// How often a range is taken up again where an answer ended early, each time further on.
    pub resumes_max: u32,
    /// The first wait before a retry; it doubles from one to the next, and half of it is random.
    pub backoff_millis: u64,
    /// The longest wait of our own choice.
    pub backoff_millis_max: u64,
    /// The longest wait that a server may ask for by `Retry-After`; a longer one is an error.
    pub retry_after_secs_max: u64,
    /// How long a server may say nothing, before its answer and in the midst of it.
    pub silence_millis_max: u64,
    /// Bytes a second that an answer must bring, on top of that silence.
    pub bytes_per_second_min: u64,
    /// Whether query strings may be added to the URL. Signed URLs take none.
    pub tags: bool,
    /// Bytes of a whole-file answer that may be read to reach the end of those asked for.
    pub skip_len_max: u64,
    /// The longest file that is read whole where the server has no ranges.
    pub whole_len_max: u64,
    /// Whether any file may be read whole then, however long.
    pub allow_whole: bool,
    /// Bytes of bodies that the session may take.
    pub bytes_max: u64,
    /// Requests that the session may send.
    pub requests_max: u64,
}

impl Options {
    /// The most requests that one fetch can take.
    ///
    /// Each step of the escalation has its retries and resumes, and there are at most four: one
    /// that began with a tag may fall back to the plain URL. There is one more retry for a stale
    /// answer, and one for a redirect that led astray.
    #[must_use]
    pub const fn requests_per_fetch_max(&self) -> u64 {
        // Of two u32 and a few: far below what a u64 holds.
        let retries = (self.retries_max as u64).saturating_add(1);
        let step = retries.saturating_add(self.resumes_max as u64);
        step.saturating_mul(4).saturating_add(2)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retries_max: 3,
            resumes_max: 16,
            backoff_millis: 100,
            backoff_millis_max: 5_000,
            retry_after_secs_max: 30,
            silence_millis_max: 30_000,
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
