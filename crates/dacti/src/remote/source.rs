//! A remote file as a source. Its reads block, but its fetches are async.
//!
//! The fetches run on a runtime that the source owns. So any thread can read from the source, even
//! a thread of another runtime.

use super::ahead::Ahead;
use super::package::is_odd;
use super::{Near, Remote};
use crate::fetch::source::{Doubt, ReadAt};
use crate::read::view::read_failed;
use crate::{Error, Limits, Package, View};
use core::future::Future;
use dacti_http::Stats;
use daicon_core::Span;
use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

/// A package under a URL of a server or an object store.
///
/// The head is fetched when the package is opened. Other bytes are fetched when they are read, one
/// range at a time. Announced ranges are read ahead.
#[derive(Debug)]
pub struct RemoteSource {
    remote: Arc<dyn Remote>,
    runner: Runner,
    ahead: Mutex<Ahead<Begun>>,
}

/// A read that was started ahead. When this value is dropped, the read ends.
#[derive(Debug)]
struct Begun {
    bytes: Receiver<Result<Vec<u8>, Error>>,
    task: AbortHandle,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A runtime of `tokio` for threads that wait for its results.
#[derive(Debug)]
pub(crate) struct Runner(Option<Runtime>);

impl Runner {
    pub(crate) fn new() -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let failed = |error| Error::io("start", "a thread".as_ref(), error);
        Ok(Self(Some(runtime.map_err(failed)?)))
    }

    /// Starts `work`, and returns the receiver of its result.
    fn start<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<(Receiver<T>, AbortHandle)> {
        let (sender, receiver) = sync_channel(1);
        let task = self.0.as_ref()?.spawn(async move {
            // If the receiver was dropped, sending fails, and this error is ignored.
            let _ = sender.send(work.await);
        });
        Some((receiver, task.abort_handle()))
    }

    pub(super) fn handle(&self) -> Option<Handle> {
        self.0.as_ref().map(|runtime| runtime.handle().clone())
    }

    /// Waits for `work`, which runs on this runtime. So the waiting thread may belong to another
    /// runtime.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let started = self.start(work).and_then(|(receiver, _)| receiver.recv().ok());
        started.unwrap_or_else(|| Err(read_failed(io::ErrorKind::NotConnected.into())))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // This may run on a thread of another runtime, so it must not wait for the threads of this
        // runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl RemoteSource {
    pub(crate) fn new(runner: Runner, remote: Arc<dyn Remote>) -> Self {
        let ahead = Mutex::new(Ahead::new(remote.file().concurrency.max(1)));
        Self { remote, runner, ahead }
    }

    /// Opens the package.
    pub(crate) fn into_package(mut self, limits: Limits) -> Result<(Package, Arc<Self>), Error> {
        // A faulty head may have been read from a stale cache, or from a file that is being
        // uploaded.
        let mut n = 0_u32;
        let view = loop {
            let fault = match View::read(&self) {
                Ok(view) => break view,
                Err(fault) if is_odd(&fault) => fault,
                Err(error) => return Err(error),
            };
            match self.runner.wait(Arc::clone(&self.remote).reloaded(n))? {
                Some(fresh) => self.remote = fresh,
                None => return Err(fault),
            }
            n = n.saturating_add(1);
        };
        let source = Arc::new(self);
        let package = Package::from_view(
            Arc::clone(&source) as Arc<dyn ReadAt>,
            view,
            limits,
            dacti_index::open_brotli,
        );
        source.remote.opened(package.view());
        Ok((package, source))
    }

    /// Returns the numbers of requests, bytes and events so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.remote.stats()
    }

    /// Returns whether the file was fetched whole, because the server does not support ranges.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.remote.is_whole()
    }

    /// Returns the bytes of `span`, which were read ahead or are fetched now.
    fn fetch(&self, span: Span) -> Result<Vec<u8>, Error> {
        match self.take_ahead(span) {
            // If another file has replaced this one, bytes that were read ahead are not handed out.
            Some(bytes) => self.remote.ended().map_or(Ok(bytes), Err),
            None => self.runner.wait(Arc::clone(&self.remote).fetch(span)),
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead<Begun>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the bytes that were read ahead for `span`, and starts the next reads.
    fn take_ahead(&self, span: Span) -> Option<Vec<u8>> {
        let begun = self.ahead().take(span)?;
        let bytes = begun.bytes.recv().ok();
        self.begin_ahead();
        // If the read that was started ahead has failed, this returns `None`. The caller then
        // fetches the span again, which may succeed.
        bytes.and_then(Result::ok)
    }

    /// Starts as many reads ahead as allowed.
    fn begin_ahead(&self) {
        let mut ahead = self.ahead();
        while ahead.begin_next(|span| self.begin(span)) {}
    }

    fn begin(&self, span: Span) -> Option<Begun> {
        let (bytes, task) = self.runner.start(Arc::clone(&self.remote).fetch(span))?;
        Some(Begun { bytes, task })
    }
}

impl ReadAt for RemoteSource {
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
        match self.remote.near(span) {
            Ok(bytes) => bytes,
            Err(span) => self.fetch(span).map_err(io::Error::other),
        }
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

    fn confirm(&self) -> io::Result<()> {
        self.runner.wait(Arc::clone(&self.remote).confirmed()).map_err(io::Error::other)
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
        if spans.len() < 2 {
            return;
        }
        let mut ahead = self.ahead();
        // The spans are clipped here as in `read_at`, so that later reads find them.
        let far = spans.iter().filter_map(|span| self.remote.far(*span));
        far.for_each(|span| ahead.tell(span));
        drop(ahead);
        self.begin_ahead();
    }

    fn will_not_read(&self, spans: &[Span]) {
        let mut ahead = self.ahead();
        for span in spans {
            drop(ahead.take(*span));
        }
        drop(ahead);
        self.begin_ahead();
    }

    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        if self.remote.is_final(span) {
            return Ok(false);
        }
        self.remote.doubt(span, why).map_err(|error| {
            let explained = Arc::clone(&self.remote).explained(error);
            // If the runtime cannot run the check, the error of the runtime is returned.
            let waited = self.runner.wait(async { Ok(explained.await) });
            io::Error::other(waited.unwrap_or_else(|error| error))
        })
    }
}
