//! The lookup region of the index in force, as it was when the package was opened.
//!
//! Fences only help: if they are missing, of another index, or contradict it, the index is scanned.
//! Specification: `docs/spec/dacti-lookup.md`, "Binding".

use crate::Error;
use crate::fetch::source::ReadAt;
use crate::read::view::in_head_or_read;
use dacti_index::GROUPS_MAX;
use dacti_lookup::{FENCE_LEN, LOOKUP_HEADER_LEN, Lookup, RUN_LEN, RUNS_MAX};
use daicon_core::{Span, Window};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// The longest lookup region: with as many runs and fences as an index can have.
const LOOKUP_LEN_MAX: u64 = {
    let runs = RUN_LEN.saturating_mul(RUNS_MAX as u64);
    let fences = FENCE_LEN.saturating_mul(GROUPS_MAX as u64);
    LOOKUP_HEADER_LEN.saturating_add(runs).saturating_add(fences)
};

/// The lookup region of the index in force.
#[derive(Debug, Clone)]
pub(crate) struct Fences {
    span: Span,
    /// Its bytes, unless the head has them.
    fetched: Option<Vec<u8>>,
    /// The first fault that made a search scan the index.
    contradiction: OnceLock<Arc<Error>>,
}

impl Fences {
    /// Takes the lookup region at `span`, from the head or else read, for the index at `index`.
    ///
    /// # Errors
    /// `Lookup`; `OtherIndex` if the fences are of another index.
    pub(crate) fn read(
        source: &dyn ReadAt,
        head: &Window<'_>,
        span: Span,
        index: Span,
        groups: u32,
    ) -> Result<Self, Error> {
        let at = span.start;
        let span = Span { start: at, end: span.end.min(at.saturating_add(LOOKUP_LEN_MAX)) };
        let bytes = in_head_or_read(source, head, span)?;
        let lookup = Lookup::parse(&bytes, at)?;
        if !lookup.is_of(index, groups)? {
            return Err(Error::OtherIndex { at, index_at: lookup.index_at() });
        }
        let fetched = match bytes {
            Cow::Borrowed(_) => None,
            Cow::Owned(bytes) => Some(bytes),
        };
        Ok(Self { span, fetched, contradiction: OnceLock::new() })
    }

    /// Returns the region as a view of its bytes; `None` only if `head` is another file's.
    pub(crate) fn lookup<'v>(&'v self, head: &Window<'v>) -> Option<Lookup<'v>> {
        let bytes = self.fetched.as_deref().or_else(|| head.answer(self.span))?;
        Lookup::parse(bytes, self.span.start).ok()
    }

    /// The first fault that made a search scan the index.
    pub(crate) fn contradiction(&self) -> Option<&Arc<Error>> {
        self.contradiction.get()
    }

    /// Keeps the first fault; later ones are most likely the same.
    pub(crate) fn note(&self, fault: Error) {
        let _ = self.contradiction.set(fault.into());
    }
}
