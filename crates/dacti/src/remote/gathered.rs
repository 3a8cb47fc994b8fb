//! A source of what was fetched so far: who reads what is not there yet is told so, and tries again
//! when it is.
//!
//! An *operation* is what runs over it: it is run from its start as often as it takes, and what it
//! did while something was missing does not count. What it has fetched is dropped when it is done.

use super::Remote;
use crate::source::{Doubt, ReadAt};
use daicon_core::Span;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// What an operation has, and what it lacks.
#[derive(Debug, Default)]
pub(super) struct Operation(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    kept: HashMap<u64, Vec<u8>>,
    /// What will be read behind what is missing.
    told: Vec<Span>,
    missing: Option<Span>,
}

/// The error of a read that has to be done again. Nobody sees it but who runs the operation.
#[derive(Debug, thiserror::Error)]
#[error("the bytes have not been fetched yet")]
struct NotYet;

impl Operation {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the last run lacked, and what it would have read then. None where it counts.
    pub(super) fn take_missing(&self) -> Option<(Span, Vec<Span>)> {
        let mut state = self.state();
        let told = core::mem::take(&mut state.told);
        state.missing.take().map(|missing| (missing, told))
    }

    /// Whether the bytes of `span` are here.
    pub(super) fn has(&self, span: Span) -> bool {
        self.state().bytes(span).is_some()
    }

    pub(super) fn keep(&self, span: Span, bytes: Vec<u8>) {
        let mut state = self.state();
        let held = state.kept.entry(span.start).or_default();
        if held.len() <= bytes.len() {
            *held = bytes;
        }
    }

    /// Drops what overlaps `span`.
    fn forget(&self, span: Span) {
        self.state().kept.retain(|start, bytes| {
            let end = start.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            end <= span.start || span.end <= *start
        });
    }

    /// Drops everything.
    pub(super) fn forget_all(&self) {
        self.state().kept.clear();
    }
}

impl State {
    fn bytes(&self, span: Span) -> Option<&[u8]> {
        if let Some(bytes) = self.kept.get(&span.start).and_then(|b| span.slice_of(b, span.start)) {
            return Some(bytes);
        }
        // Few are kept at a time where one is part of another.
        self.kept.iter().find_map(|(start, bytes)| span.slice_of(bytes, *start))
    }
}

/// A source of what the operation on this thread has.
#[derive(Debug)]
pub(super) struct Gathered {
    remote: Arc<dyn Remote>,
    /// An operation runs on one thread from its start to its end.
    running: Mutex<HashMap<ThreadId, Arc<Operation>>>,
}

impl Gathered {
    pub(super) fn new(remote: Arc<dyn Remote>) -> Self {
        Self { remote, running: Mutex::default() }
    }

    pub(super) fn remote(&self) -> &Arc<dyn Remote> {
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

    /// The operation on this thread.
    fn current(&self) -> io::Result<Arc<Operation>> {
        let current = self.running().get(&thread::current().id()).cloned();
        current.ok_or_else(|| io::Error::other("bytes are read outside of an operation"))
    }
}

impl ReadAt for Gathered {
    fn len(&self) -> u64 {
        self.remote.len()
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
        // The first counts: what is read behind it depends on it.
        state.missing.get_or_insert(span);
        Err(io::Error::other(NotYet))
    }

    fn read_len(&self) -> usize {
        self.remote.read_len()
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
        let comes_anew = self.remote.doubt(span, why).map_err(io::Error::other)?;
        self.current()?.forget(span);
        Ok(comes_anew)
    }
}
