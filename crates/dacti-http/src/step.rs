//! The steps of the escalation past stale caches.
//!
//! Specification: `docs/spec/dacti-http.md`, "Escalation".

/// One step of the escalation: a form of the URL. Each step has its own retries and resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The URL as it is.
    Plain,
    /// The URL with the slice's tag.
    Slice,
    /// The URL with a nonce.
    Nonce,
}

/// How the fetch of a range begins after its bytes were found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) step: Step,
    /// The number of waits for an upload, including the wait that the fetch begins with. 0 if the
    /// fetch begins with a request.
    pub(crate) waits: u32,
}

impl Begin {
    pub(crate) const PLAIN: Self = Self { step: Step::Plain, waits: 0 };
}
