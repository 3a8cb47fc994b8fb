//! A source of the bytes that were fetched so far. A read of missing bytes fails. After the missing
//! bytes were fetched, the read is repeated.
//!
//! An *operation* is work that reads from this source. Each time new bytes were fetched, it runs
//! again from its start. If a run lacked bytes, its result is dropped. When the operation is done,
//! its bytes are dropped.

use super::{Near, Remote};
use crate::fetch::Location;
use crate::fetch::source::{Doubt, ReadAt};
use crate::{Error, ErrorKind};
use daicon_core::Span;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// The bytes of an operation, and the spans that the operation lacks.
#[derive(Debug, Default)]
pub(crate) struct Operation(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Fetched bytes. Each piece is found by its start in the file.
    kept: HashMap<u64, Vec<u8>>,
    /// Spans whose bytes were wrong, with the bytes that were fetched again for them. If such a
    /// span is part of a larger read, the larger read is kept, because its other bytes may be good.
    anew: HashMap<Span, Option<Vec<u8>>>,
    /// The spans in `anew` that the current run has read.
    read_anew: HashSet<Span>,
    /// Spans that could not be fetched.
    failed: HashMap<Span, Failure>,
    /// Announced spans. They are fetched after the missing span.
    told: Vec<Span>,
    missing: Option<Span>,
}

/// The error of a failed fetch. Several reads may return it, so it can be cloned.
#[derive(Debug, Clone)]
struct Failure {
    place: Location,
    kind: ErrorKind,
    source: Arc<dyn core::error::Error + Send + Sync>,
}

/// The error of a read that must be repeated. Only the code that runs operations uses it.
#[derive(Debug, thiserror::Error)]
#[error("the bytes have not been fetched yet")]
struct NotYet;

impl Operation {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns the span that the last run lacked, and the spans that the run would have
    /// read next. `None` if the run lacked no bytes; its result is then valid.
    pub(super) fn take_missing(&self) -> Option<(Span, Vec<Span>)> {
        let mut state = self.state();
        let told = core::mem::take(&mut state.told);
        state.read_anew.clear();
        state.missing.take().map(|missing| (missing, told))
    }

    /// Returns whether the bytes of `span` were fetched.
    pub(super) fn has(&self, span: Span) -> bool {
        self.state().bytes(span).is_some()
    }

    pub(super) fn keep(&self, span: Span, bytes: Vec<u8>) {
        let mut state = self.state();
        if let Some(anew) = state.anew.get_mut(&span) {
            *anew = Some(bytes);
            return;
        }
        let held = state.kept.entry(span.start).or_default();
        if held.len() <= bytes.len() {
            *held = bytes;
        }
    }

    /// Records an `Error::Remote` for every read of `span`. Returns any other error.
    pub(super) fn fail(&self, span: Span, error: Error) -> Result<(), Error> {
        let Error::Remote { place, kind, source } = error else { return Err(error) };
        let failure = Failure { place, kind, source: source.into() };
        self.state().failed.insert(span, failure);
        Ok(())
    }

    /// Records that the bytes of `span` were wrong. Returns false if this is already known, and the
    /// current run took the bytes from a larger read, not from a fetch of `span` alone.
    fn doubt(&self, span: Span) -> bool {
        let mut state = self.state();
        let State { kept, anew, read_anew, .. } = &mut *state;
        if anew.contains_key(&span) && !read_anew.contains(&span) {
            return false;
        }
        // Smaller reads within `span` may have fetched the same wrong bytes, so they are dropped,
        // too.
        kept.retain(|start, bytes| {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            !Span::new(*start, len).is_some_and(|kept| span.contains(&kept))
        });
        anew.insert(span, None);
        true
    }

    /// Drops all bytes.
    pub(super) fn forget_all(&self) {
        let mut state = self.state();
        state.kept.clear();
        state.anew.clear();
    }
}

impl State {
    fn bytes(&mut self, span: Span) -> Option<&[u8]> {
        if let Some(anew) = self.anew.get(&span) {
            self.read_anew.insert(span);
            return anew.as_deref();
        }
        let own = self.kept.get(&span.start).and_then(|bytes| span.slice_of(bytes, span.start));
        // The bytes may be part of a larger read. This search is short, because an operation with
        // such reads keeps only a few of them.
        own.or_else(|| self.kept.iter().find_map(|(start, bytes)| span.slice_of(bytes, *start)))
    }
}

impl Failure {
    fn error(&self) -> Error {
        let Self { place, kind, source } = self.clone();
        Error::Remote { place, kind, source: Box::new(Met(source)) }
    }
}

/// The cause of a failed fetch. All errors that are returned for the fetch share it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Met(Arc<dyn core::error::Error + Send + Sync>);

/// A source with the bytes of the operation that runs on the current thread.
#[derive(Debug)]
pub(crate) struct Gathered {
    remote: Arc<dyn Remote>,
    /// The operations that run, by thread. An operation stays on one thread during a run.
    running: Mutex<HashMap<ThreadId, Arc<Operation>>>,
}

impl Gathered {
    pub(crate) fn new(remote: Arc<dyn Remote>) -> Self {
        Self { remote, running: Mutex::default() }
    }

    pub(crate) fn remote(&self) -> &Arc<dyn Remote> {
        &self.remote
    }

    fn running(&self) -> MutexGuard<'_, HashMap<ThreadId, Arc<Operation>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` as part of an operation.
    pub(super) fn within<T>(&self, operation: &Arc<Operation>, work: impl FnOnce() -> T) -> T {
        struct Leave<'g>(&'g Gathered, Option<Arc<Operation>>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                let thread = thread::current().id();
                match self.1.take() {
                    Some(outer) => self.0.running().insert(thread, outer),
                    None => self.0.running().remove(&thread),
                };
            }
        }
        let outer = self.running().insert(thread::current().id(), Arc::clone(operation));
        let _leave = Leave(self, outer);
        work()
    }

    /// Returns the operation that runs on this thread.
    fn current(&self) -> io::Result<Arc<Operation>> {
        let current = self.running().get(&thread::current().id()).cloned();
        current.ok_or_else(|| io::Error::other("bytes are read outside of an operation"))
    }
}

impl ReadAt for Gathered {
    fn len(&self) -> u64 {
        self.remote.file().len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        super::read_into(self, at, buf)
    }

    fn slice(&self, span: Span) -> Option<&[u8]> {
        self.remote.in_head(span)
    }

    fn read(&self, span: Span) -> io::Result<Vec<u8>> {
        let span = match self.remote.near(span) {
            Ok(bytes) => return bytes,
            Err(span) => span,
        };
        let operation = self.current()?;
        let mut state = operation.state();
        if let Some(bytes) = state.bytes(span) {
            return Ok(bytes.into());
        }
        if let Some(failure) = state.failed.get(&span) {
            return Err(io::Error::other(failure.error()));
        }
        // Only the first missing span is recorded, because the later reads depend on its bytes.
        state.missing.get_or_insert(span);
        Err(io::Error::other(NotYet))
    }

    fn len_is_hint(&self) -> bool {
        self.remote.file().len_is_hint
    }

    fn may_read_around(&self) -> bool {
        !self.remote.file().has_budget
    }

    fn is_in_parts(&self) -> bool {
        self.remote.is_in_parts()
    }

    fn read_len(&self) -> usize {
        self.remote.file().read_len
    }

    fn note_region(&self, region: Span) {
        self.remote.note_region(region);
    }

    fn look(&self, reads: bool) -> Option<Span> {
        self.remote.look(reads)
    }

    fn will_read(&self, spans: &[Span]) {
        if let Ok(operation) = self.current() {
            let far = spans.iter().filter_map(|span| self.remote.far(*span));
            operation.state().told.extend(far);
        }
    }

    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        if self.remote.is_final(span) {
            return Ok(false);
        }
        if !self.current()?.doubt(span) {
            // The wrong bytes belong to a larger read. A read of this span alone fetches them
            // again.
            return Ok(true);
        }
        self.remote.doubt(span, why).map_err(io::Error::other)
    }
}
