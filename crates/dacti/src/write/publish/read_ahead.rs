//! Announced reads of a published package. A planner announces the index blocks and the digests
//! that it needs, and reads them one by one. At the first such read, several announced reads are
//! made at the same time, because each read takes a request. A store blocks, so each of these reads
//! has a thread, in place of a task as in `remote/ahead.rs`.

use crate::threads::start;
use core::sync::atomic::{AtomicUsize, Ordering};
use daicon_core::{Span, to_u64};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The maximum number of reads that are made at once.
const READS_MAX: usize = 16;
/// The maximum length of all reads that are made at once, in bytes.
const TOTAL_MAX: u64 = 16 << 20;

/// The bytes of an announced span, or the spans to read at once.
enum Begun {
    Read(Vec<u8>),
    Batch(Vec<Span>),
}

/// The announced reads. Memory: `TOTAL_MAX` bytes, and 16 bytes for each announced span.
#[derive(Debug, Default)]
pub(super) struct ReadAhead(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Span>,
    read: HashMap<Span, Vec<u8>>,
}

impl ReadAhead {
    /// Announces the spans that will be read, in the order of their reads.
    pub(super) fn tell(&self, spans: &[Span]) {
        if spans.len() > 1 {
            self.state().waiting.extend(spans);
        }
    }

    /// Withdraws announced spans, and drops their bytes.
    pub(super) fn withdraw(&self, spans: &[Span]) {
        let spans: HashSet<&Span> = spans.iter().collect();
        let mut state = self.state();
        state.waiting.retain(|span| !spans.contains(span));
        state.read.retain(|span, _| !spans.contains(span));
    }

    /// Returns the bytes of `span` if it was announced. Calls `read` for it and for the spans that
    /// were announced next, unless its bytes are in memory. If `read` fails, this returns `None`,
    /// and the caller reads the span itself.
    pub(super) fn take(
        &self,
        span: Span,
        read: impl Fn(Span) -> io::Result<Vec<u8>> + Sync,
    ) -> Option<Vec<u8>> {
        let batch = match self.state().begin(span) {
            Begun::Read(bytes) => return Some(bytes),
            Begun::Batch(batch) => batch,
        };
        if batch.len() < 2 {
            return None;
        }
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let work = || {
                || {
                    while let Some(span) = batch.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Ok(bytes) = read(*span) {
                            self.state().read.insert(*span, bytes);
                        }
                    }
                }
            };
            start(scope, batch.len(), work).ok()
        })?;
        self.state().read.remove(&span)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, span: Span) -> Begun {
        if let Some(bytes) = self.read.remove(&span) {
            return Begun::Read(bytes);
        }
        let Some(first) = self.waiting.iter().position(|waiting| *waiting == span) else {
            return Begun::Batch(Vec::new());
        };
        // Bytes that no caller has taken yet count, too.
        let mut total =
            self.read.values().fold(0, |sum: u64, b| sum.saturating_add(to_u64(b.len())));
        let fits = |span: &&Span| {
            total = total.saturating_add(span.len());
            total <= TOTAL_MAX
        };
        let reads_max = READS_MAX.saturating_sub(self.read.len()).max(1);
        let count = self.waiting.range(first..).take(reads_max).take_while(fits).count().max(1);
        Begun::Batch(self.waiting.drain(first..first.saturating_add(count)).collect())
    }
}
